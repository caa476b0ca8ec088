// SPDX-License-Identifier: MIT
// The page and the engine in one process, with a peer that rewrites the page while commands run: what a guest can do to
// its worker, under sanitizers that see every access.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <random>
#include <thread>

#include "backend/ring/page.h"
#include "backend/worker/entropy.h"
#include "engine/engine.h"

namespace worker_test {
namespace {

using backend::TpmPage;
using base::Bytes;

class Silent : public backend::Doorbell {
 public:
  void ring() override {}
};

class Platform : public tpm::Platform {
 public:
  void entropy(std::span<uint8_t> out) override { pool_.take(out); }
  uint64_t now_us() override { return ++now_; }
  bool commit(base::View) override { return true; }
  void journal(std::span<const tpm::JournalSection>) override {}
  bool cancelled() override { return false; }

 private:
  backend::EntropyPool pool_;
  uint64_t now_ = 0;
};

Bytes be32(uint32_t v) {
  return {static_cast<uint8_t>(v >> 24), static_cast<uint8_t>(v >> 16), static_cast<uint8_t>(v >> 8),
          static_cast<uint8_t>(v)};
}

Bytes command(uint32_t ordinal, std::initializer_list<uint32_t> words, size_t n_more = 0) {
  Bytes c = {0x00, 0xc1};
  base::append(c, be32(static_cast<uint32_t>(10 + 4 * words.size() + n_more)));
  base::append(c, be32(ordinal));
  for (uint32_t word : words) base::append(c, be32(word));
  c.resize(c.size() + n_more, 0x11);
  return c;
}

// Commands that succeed when nobody touches them.
Bytes good_command(std::mt19937_64& random) {
  auto pcr = static_cast<uint32_t>(random() % 16);
  switch (random() % 6) {
    case 0:
      return command(0x14, {pcr}, 20);  // Extend
    case 1:
      return command(0x15, {pcr});  // PCRRead
    case 2:
      return command(0x46, {static_cast<uint32_t>(1 + random() % 64)});  // GetRandom
    case 3:
      return command(0x65, {5, 4, 0x101});  // GetCapability: number of PCRs
    case 4:
      return command(0x65, {6, 0});  // GetCapability: version
    default:
      return command(0xa0, {0});  // SHA1Start takes no parameter: one too many
  }
}

// The parsers of all commands, with parameters that seldom make sense.
Bytes odd_command(std::mt19937_64& random) {
  static constexpr uint32_t kOrdinals[] = {0x0a, 0x0b, 0x0d, 0x14, 0x16, 0x17, 0x18, 0x1e,      0x1f, 0x21,
                                           0x3e, 0x41, 0x46, 0x47, 0x50, 0x53, 0x54, 0x65,      0x7c, 0xa0,
                                           0xa1, 0xa2, 0xa3, 0xba, 0xc8, 0xe6, 0xf1, 0x4000000a};
  static constexpr uint32_t kValues[] = {0, 1, 2, 4, 5, 6, 16, 20, 23, 24, 0x101, 0x10000, 0x40000000, 0xffffffff};
  Bytes c = command(kOrdinals[random() % std::size(kOrdinals)], {});
  if (random() % 8 == 0) c[1] = random() % 2 == 0 ? 0xc2 : 0xc3;
  size_t words = random() % 12;
  for (size_t i = 0; i < words; i++) base::append(c, be32(kValues[random() % std::size(kValues)]));
  if (random() % 3 == 0) c.resize(c.size() + 1 + random() % 60, 0x11);
  Bytes length = be32(static_cast<uint32_t>(random() % 20 == 0 ? random() % 8192 : c.size()));
  std::copy(length.begin(), length.end(), c.begin() + 2);
  return c;
}

bool well_formed(base::View r) {
  if (r.size() < 10 || r.size() > backend::kPacketBytes || r[0] != 0 || r[1] < 0xc4 || r[1] > 0xc6) return false;
  uint32_t size = 0;
  for (size_t i = 2; i < 6; i++) size = size << 8 | r[i];
  return size == r.size();
}

size_t commands_to_run() {
  const char* text = getenv("HOSTILE_COMMANDS");
  return text != nullptr ? strtoul(text, nullptr, 10) : 100000;
}

class Hostile : public testing::Test {
 protected:
  Hostile() {
    tpm::Settings settings;
    settings.buffer_bytes = backend::kPacketBytes;
    tpm::Factory factory;
    factory.endorsement_key = false;
    engine_ = tpm::Engine::manufacture(platform_, settings, factory);
    engine_->power_on();
    EXPECT_TRUE(engine_->startup());
    peer_ = std::thread([this] { rewrite(); });
  }
  ~Hostile() override {
    stop_ = true;
    peer_.join();
  }
  // Flips bits of the header and of the beginning of the packet, where the lengths are.
  void rewrite() {
    base::ForeignBytes page{memory_};
    std::mt19937_64 random(3);
    while (!stop_) {
      uint64_t r = random();
      size_t at = r % 16 == 0 ? (r >> 8) % 8 : 8 + (r >> 8) % (r % 3 == 0 ? 4088 : 80);
      uint8_t old = page.load<uint8_t>(at).value_or(0);
      if (at == 4) old = 0;  // so that cancelled and unknown states come up too
      static_cast<void>(page.store<uint8_t>(at, static_cast<uint8_t>(old ^ 1u << (r >> 40) % 8)));
      changes_++;
      if (r % 64 == 0) std::this_thread::yield();
    }
  }
  // Whether there is more to do: so many commands, and a peer that has really been at it.
  bool more(size_t i) const { return i < commands_to_run() || (changes_ < i && i < 100 * commands_to_run()); }
  // One command as a guest submits it; where the answer goes is the caller's business.
  base::Result<backend::Request, TpmPage::Refusal> submitted(std::mt19937_64& random) {
    base::ForeignBytes page{memory_};
    Bytes c = random() % 2 == 0 ? good_command(random) : odd_command(random);
    uint64_t header = c.size() | uint64_t{1} << 32;
    EXPECT_TRUE(page.store_bytes(8, c));
    EXPECT_TRUE(page.store<uint64_t>(0, header));
    return page_.take();
  }

  alignas(8) std::array<uint8_t, backend::kPageBytes> memory_{};
  Silent bell_;
  TpmPage page_{base::ForeignBytes(memory_), 0x0f, bell_};
  Platform platform_;
  std::unique_ptr<tpm::Engine> engine_;
  std::atomic<bool> stop_{false};
  std::atomic<size_t> changes_{0};
  std::thread peer_;
};

// The answer is written elsewhere, so that it can be looked at: it is well-formed whatever happens to the command.
TEST_F(Hostile, EveryAnswerIsWellFormed) {
  std::mt19937_64 random(1);
  Bytes answer(backend::kPacketBytes);
  size_t executed = 0, succeeded = 0, n = 0;
  for (; more(n); n++) {
    auto request = submitted(random);
    if (!request.ok()) continue;
    ASSERT_GE(request.value().command.size(), 10u);
    size_t length = engine_->execute(request.value().locality, request.value().command, base::ForeignBytes(answer));
    ASSERT_LE(length, answer.size());
    ASSERT_TRUE(well_formed(base::View(answer).first(length))) << "command " << n;
    executed++;
    if (answer[6] == 0 && answer[7] == 0 && answer[8] == 0 && answer[9] == 0) succeeded++;
  }
  EXPECT_GT(executed, n / 4);
  EXPECT_GT(changes_, commands_to_run());
  EXPECT_GT(succeeded, n / 20) << "of " << executed;
}

// As in the worker: over the command.
TEST_F(Hostile, AnswersInPlaceStayInThePage) {
  std::mt19937_64 random(2);
  for (size_t i = 0; more(i); i++) {
    auto request = submitted(random);
    if (!request.ok()) continue;
    size_t length = engine_->execute(request.value().locality, request.value().command, page_.response_area());
    ASSERT_GE(length, 10u);
    ASSERT_LE(length, backend::kPacketBytes);
    page_.finish(length);
  }
  EXPECT_GT(changes_, commands_to_run());
}

}  // namespace
}  // namespace worker_test
