// SPDX-License-Identifier: MIT
// What the engine does to memory that somebody else may change: command and response in one page, as a guest shares it.
#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "tests/engine/engine_machine.h"
#include "tests/engine/tpm_test.h"

namespace world {

using client::Prepared;

namespace {

constexpr size_t kHeader = 8;  // of the page; the command begins behind it
constexpr size_t kRoom = 4088;

struct Page {
  alignas(4096) std::array<uint8_t, 4096> bytes{};

  base::ForeignBytes data() { return *base::ForeignBytes(bytes).part(kHeader, kRoom); }
  void put(const Bytes& frame) {
    // Bytes of an earlier command stay behind a shorter one, as drivers leave them.
    ASSERT_TRUE(data().store_bytes(0, frame));
  }
  Bytes get(size_t n) const {
    return {bytes.begin() + kHeader, bytes.begin() + static_cast<std::ptrdiff_t>(kHeader + n)};
  }
};

tpm::Engine& engine_of(World& w) { return dynamic_cast<machine::EngineMachine&>(w.machine()).engine(); }

std::string name_of(const testing::TestParamInfo<Entry>& info) { return info.param.name; }

}  // namespace

class InAPage : public testing::TestWithParam<Entry> {
 protected:
  InAPage() : w(GetParam().stage) {}
  Prepared golden() {
    Prepared prepared = w.tpm.prepare(GetParam().make(w));
    w.tpm.locality = GetParam().locality;
    return prepared;
  }
  client::Reply execute(const Prepared& prepared, const Bytes& frame) {
    page.put(frame);
#ifdef FOREIGN_BYTES_TRACE
    base::ForeignTrace::watch(page.bytes);
#endif
    size_t n = engine_of(w).execute(w.tpm.locality, page.data(), page.data());
    return w.tpm.finish(prepared, page.get(n));
  }
  World w;
  Page page;
};

TEST_P(InAPage, TheAnswerOverwritesTheQuestion) {
  Prepared prepared = golden();
  page.bytes.fill(0xa5);
  EXPECT_TRUE(ok(execute(prepared, prepared.frame)));
}

#ifdef FOREIGN_BYTES_TRACE

class LoadOnce : public InAPage {
 protected:
  // Of the last command: no byte loaded twice, none before or behind the command, none after it was written.
  void expect_once(const Bytes& frame, const char* which) {
    EXPECT_FALSE(base::ForeignTrace::read_back()) << which;
    for (size_t at = 0; at < page.bytes.size(); at++) {
      bool inside = at >= kHeader && at < kHeader + frame.size();
      ASSERT_LE(base::ForeignTrace::loads(at), inside ? 1U : 0U) << which << ": byte " << at << " of " << frame.size();
      ASSERT_LE(base::ForeignTrace::stores(at), at >= kHeader ? 1U : 0U) << which << ": byte " << at;
    }
  }
};

TEST_P(LoadOnce, EachByteOfACommandThatSucceeds) {
  Prepared prepared = golden();
  ASSERT_TRUE(ok(execute(prepared, prepared.frame)));
  expect_once(prepared.frame, "success");
  for (size_t at = 0; at < prepared.frame.size(); at++) {
    ASSERT_EQ(base::ForeignTrace::loads(kHeader + at), 1U) << "byte " << at << " was not looked at";
  }
}

TEST_P(LoadOnce, EachByteOfACommandThatFails) {
  Prepared prepared = golden();
  World::Point point = w.point();
  size_t step = std::max<size_t>(1, prepared.frame.size() / 40);
  for (size_t at = 0; at < prepared.frame.size(); at += step) {
    w.restore(point);
    Bytes frame = prepared.frame;
    frame[at] ^= 0x40;
    execute(prepared, frame);
    expect_once(frame, "flipped");
  }
}

INSTANTIATE_TEST_SUITE_P(Memory, LoadOnce, testing::ValuesIn(catalogue()), name_of);

#endif

INSTANTIATE_TEST_SUITE_P(Memory, InAPage, testing::ValuesIn(catalogue()), name_of);

// ---- A guest that rewrites its command while it is executed ----

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

// Flips bits of a page until it dies.
class Vandal {
 public:
  explicit Vandal(Page& page) : thread_([this, &page] { run(page); }) {}
  ~Vandal() {
    stop_ = true;
    thread_.join();
  }
  std::atomic<size_t> length = 64;  // of the command in flight, where flips matter most
  std::atomic<unsigned> rest = 0;   // turns between two flips: a command may be hit often, once or never

 private:
  void run(Page& page) {
    std::minstd_rand random(1);
    while (!stop_) {
      size_t at = kHeader + random() % length.load(std::memory_order_relaxed);
      auto bit = static_cast<uint8_t>(1U << random() % 8);
      // SAFETY: the page is a plain array whose other users access it by atomic builtins, too.
      __atomic_xor_fetch(&page.bytes[at], bit, __ATOMIC_RELAXED);
      for (unsigned n = 0; n < rest.load(std::memory_order_relaxed) && !stop_; n++) continue;
    }
  }
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

void expect_well_formed(const Bytes& response) {
  client::In in(response);
  uint16_t tag = in.u16();
  uint32_t size = in.u32();
  uint32_t code = in.u32();
  ASSERT_TRUE(in.ok());
  ASSERT_EQ(size, response.size());
  ASSERT_TRUE(tag >= 0xc4 && tag <= 0xc6) << tag;
  if (code == 0) return;
  ASSERT_EQ(tag, 0xc4);
  ASSERT_EQ(size, 10U);
}

// Frames of every command that were good once; most of their sessions are over.
std::vector<Bytes> stale_frames() {
  std::vector<Bytes> frames;
  for (const Entry& entry : catalogue()) {
    World w(entry.stage);
    frames.push_back(w.tpm.prepare(entry.make(w)).frame);
  }
  return frames;
}

// A world and a command that would succeed in it now.
struct Fresh {
  explicit Fresh(const Entry& entry) : w(entry.stage), frame(w.tpm.prepare(entry.make(w)).frame) {}
  World w;
  Bytes frame;
};

}  // namespace

// Every command of the catalogue takes part, good as it would be without the vandal: by turns, each fiftieth time.
TEST(HostileMemory, NothingButWellFormedResponses) {
  const size_t n_commands = kSanitized ? 100'000 : 20'000;
  constexpr size_t kFreshEach = 50, kRestoreEach = 1000, kMostKeysMade = 3;
  std::vector<Bytes> frames = stale_frames();
  std::mt19937 random(42);
  World w(Stage::Owned);
  World::Point point = w.point();
  std::vector<size_t> executed(catalogue().size()), succeeded(catalogue().size());
  auto page = std::make_unique<Page>();
  Bytes response(kRoom);
  Vandal vandal(*page);
  for (size_t i = 0; i < n_commands && !testing::Test::HasFatalFailure(); i++) {
    if (i % kRestoreEach == 0) w.restore(point);
    size_t which = i % kFreshEach == 0 ? i / kFreshEach % frames.size() : random() % frames.size();
    const Entry& entry = catalogue()[which];
    bool makes_keys = entry.stage == Stage::Bare && executed[which] >= kMostKeysMade;
    std::unique_ptr<Fresh> fresh;
    if (i % kFreshEach == 0 && !makes_keys) fresh = std::make_unique<Fresh>(entry);
    tpm::Engine& engine = engine_of(fresh ? fresh->w : w);
    const Bytes& frame = fresh ? fresh->frame : frames[which];
    uint8_t locality = fresh ? entry.locality : static_cast<uint8_t>(random() % 5);
    vandal.length = frame.size();
    vandal.rest = 1U << random() % 16;
    page->put(frame);
    if (random() % 2 == 0) {
      size_t n = engine.execute(locality, page->data(), base::ForeignBytes(response));
      ASSERT_LE(n, kRoom);
      expect_well_formed({response.begin(), response.begin() + static_cast<std::ptrdiff_t>(n)});
      if (fresh && (response[6] | response[7] | response[8] | response[9]) == 0) succeeded[which]++;
    } else {
      size_t n = engine.execute(locality, page->data(), page->data());
      ASSERT_TRUE(n >= 10 && n <= kRoom) << n;
    }
    if (fresh) executed[which]++;
  }
  for (size_t which = 0; which < executed.size(); which++) {
    EXPECT_GE(executed[which], std::min(kMostKeysMade, n_commands / kFreshEach / frames.size()))
        << catalogue()[which].name;
  }
  // The vandal does not win every race, or only parsers would have been tried.
  EXPECT_GT(std::ranges::count_if(succeeded, [](size_t n) { return n > 0; }), 10);
}

}  // namespace world
