// SPDX-License-Identifier: MIT
#include "backend/worker/journal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <random>
#include <set>

#include "backend/manager/messages.h"

namespace {

using backend::Journal;
using base::Bytes;
using State = std::map<uint16_t, Bytes>;

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

class Memfd {
 public:
  explicit Memfd(size_t n_bytes = message::kJournalBytes, int seals = kSeals)
      : fd_(memfd_create("journal", MFD_CLOEXEC | MFD_ALLOW_SEALING)) {
    EXPECT_GE(fd_, 0);
    EXPECT_EQ(ftruncate(fd_, static_cast<off_t>(n_bytes)), 0);
    EXPECT_EQ(fcntl(fd_, F_ADD_SEALS, seals), 0);
  }
  Memfd(const Memfd&) = delete;
  Memfd& operator=(const Memfd&) = delete;
  ~Memfd() { close(fd_); }
  int fd() const { return fd_; }

  std::vector<uint8_t> read() const {
    std::vector<uint8_t> bytes(message::kJournalBytes);
    EXPECT_EQ(pread(fd_, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    return bytes;
  }
  void write(std::span<const uint8_t> bytes, size_t at = 0) const {
    EXPECT_EQ(pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(at)), static_cast<ssize_t>(bytes.size()));
  }

 private:
  int fd_;
};

class JournalTest : public testing::Test {
 protected:
  JournalTest() {
    key_.fill()[3] = 7;
    uuid_[5] = 9;
  }
  Journal made(const Memfd& m) const {
    auto journal = Journal::create(m.fd(), key_, uuid_, kPowerCycle);
    EXPECT_TRUE(journal.ok());
    return std::move(journal).take();
  }
  std::optional<backend::Recovered> recovered(const Memfd& m) const {
    return backend::recover(m.fd(), key_, uuid_, kPowerCycle);
  }
  static void write(Journal& journal, uint64_t epoch, const State& changed) {
    std::vector<tpm::JournalSection> sections;
    for (const auto& [id, body] : changed) sections.push_back({id, body});
    journal.write(epoch, sections);
  }
  static State state_of(const backend::Recovered& r) {
    State state;
    for (const auto& s : r.sections) EXPECT_TRUE(state.emplace(s.id, s.body).second) << "section twice";
    return state;
  }
  void expect_state(const Memfd& m, uint64_t epoch, const State& expected) const {
    auto r = recovered(m);
    ASSERT_TRUE(r);
    EXPECT_EQ(r->epoch, epoch);
    EXPECT_EQ(state_of(*r), expected);
  }
  // What command number `n` of a made-up guest changes: some sections, of sizes that come and go.
  static State change_of(uint64_t n) {
    std::mt19937_64 random(n);
    State changed;
    for (uint16_t id = 1; id <= 12; id++) {
      if (n != 1 && random() % 3 != 0) continue;
      size_t most = random() % 10 == 0 ? 12000 : 300;
      changed[id] = Bytes(random() % most, static_cast<uint8_t>(random()));
    }
    Bytes number;
    for (int i = 0; i < 8; i++) number.push_back(static_cast<uint8_t>(n >> (8 * i)));
    changed[100] = number;
    return changed;
  }
  static uint64_t number_in(const State& state) {
    uint64_t n = 0;
    for (size_t i = 0; i < 8; i++) n |= static_cast<uint64_t>(state.at(100).at(i)) << (8 * i);
    return n;
  }
  static void apply(State& state, const State& change) {
    for (const auto& [id, body] : change) state[id] = body;
  }

  static constexpr uint64_t kPowerCycle = 41;
  vault::InstanceKey key_;
  vault::Uuid uuid_{};
};

TEST_F(JournalTest, RecoversNothingBeforeTheFirstWrite) {
  Memfd m;
  EXPECT_FALSE(recovered(m));
  Journal journal = made(m);
  EXPECT_FALSE(recovered(m));
}

TEST_F(JournalTest, RecoversTheNewestBodyOfEverySection) {
  Memfd m;
  Journal journal = made(m);
  State expected;
  for (uint64_t n = 1; n <= 2000; n++) {
    State change = change_of(n);
    apply(expected, change);
    write(journal, n / 3, change);
    EXPECT_EQ(journal.epoch(), n / 3);
    if (n % 50 == 0 || n < 20) expect_state(m, n / 3, expected);
  }
}

TEST_F(JournalTest, RecordsAnEpochWithoutAnyChange) {
  Memfd m;
  Journal journal = made(m);
  write(journal, 1, {{1, {1, 2, 3}}, {2, {}}});
  for (uint64_t epoch = 2; epoch < 7; epoch++) {
    write(journal, epoch, {});
    expect_state(m, epoch, {{1, {1, 2, 3}}, {2, {}}});
  }
}

TEST_F(JournalTest, HoldsBodiesUpToItsCapacityHoweverTheyGrow) {
  Memfd m;
  Journal journal = made(m);
  State expected;
  for (size_t n = 0; n + 4096 < Journal::kSlotCapacity / 2; n += 997) {
    State change = {{1, Bytes(n, 0x11)}, {2, Bytes(n, 0x22)}};
    apply(expected, change);
    write(journal, n, change);
  }
  expect_state(m, journal.epoch(), expected);
  State full = {{1, Bytes(Journal::kSlotCapacity - 64, 0x33)}, {2, Bytes(64, 0x44)}};
  for (uint64_t epoch : {1u, 2u, 3u}) {
    write(journal, epoch, full);
    expect_state(m, epoch, full);
  }
}

// Whatever part of a write reached the memory, in whatever order: the state of before or the state of after.
TEST_F(JournalTest, TornWritesLeaveTheOldOrTheNewState) {
  Memfd m;
  Journal journal = made(m);
  State state;
  for (uint64_t n = 1; n <= 6; n++) {
    State change = change_of(n);
    for (auto& [id, body] : change) body.resize(std::min<size_t>(body.size(), 24));
    std::vector<uint8_t> before = m.read();
    State old_state = state;
    apply(state, change);
    write(journal, n, change);
    std::vector<uint8_t> after = m.read();
    if (n == 1) continue;  // there is no state of before

    std::vector<size_t> differing;
    for (size_t i = 0; i < after.size(); i++) {
      if (before[i] != after[i]) differing.push_back(i);
    }
    for (bool shuffled : {false, true}) {
      if (shuffled) std::shuffle(differing.begin(), differing.end(), std::mt19937_64(n));
      m.write(before);
      for (size_t i : differing) {
        m.write(std::span(after).subspan(i, 1), i);
        auto r = recovered(m);
        ASSERT_TRUE(r) << "byte " << i << " of command " << n;
        State got = state_of(*r);
        ASSERT_TRUE(got == old_state || got == state) << "byte " << i << " of command " << n;
      }
      expect_state(m, n, state);
    }
  }
}

TEST_F(JournalTest, ADamagedNewestSlotLeavesTheOneBefore) {
  Memfd m;
  Journal journal = made(m);
  write(journal, 1, {{1, {1, 1, 1}}});
  std::vector<uint8_t> before = m.read();
  write(journal, 2, {{1, {2, 2, 2}}});
  std::vector<uint8_t> after = m.read();
  for (size_t i = 0; i < after.size(); i++) {
    if (before[i] == after[i]) continue;
    uint8_t flipped = after[i] ^ 0x40;
    m.write({&flipped, 1}, i);
    auto r = recovered(m);
    ASSERT_TRUE(r) << i;
    EXPECT_EQ(r->epoch, 1u) << i;
    m.write(std::span(after).subspan(i, 1), i);
  }
}

TEST_F(JournalTest, OpensForItsInstanceAndPowerCycleOnly) {
  Memfd m;
  Journal journal = made(m);
  write(journal, 1, {{1, {1}}});
  vault::InstanceKey other_key = key_;
  other_key.fill()[0] ^= 1;
  vault::Uuid other_uuid = uuid_;
  other_uuid[0] ^= 1;
  EXPECT_TRUE(recovered(m));
  EXPECT_FALSE(backend::recover(m.fd(), other_key, uuid_, kPowerCycle));
  EXPECT_FALSE(backend::recover(m.fd(), key_, other_uuid, kPowerCycle));
  EXPECT_FALSE(backend::recover(m.fd(), key_, uuid_, kPowerCycle + 1));
}

TEST_F(JournalTest, RefusesMemoryThatIsSmallOrCouldShrink) {
  Memfd small(4096), unsealed(message::kJournalBytes, 0), half(message::kJournalBytes, F_SEAL_GROW | F_SEAL_SEAL);
  for (const Memfd* m : {&small, &unsealed, &half}) {
    EXPECT_FALSE(Journal::create(m->fd(), key_, uuid_, kPowerCycle).ok());
    EXPECT_FALSE(recovered(*m));
  }
}

TEST_F(JournalTest, HoldsNothingInClear) {
  Memfd m;
  Journal journal = made(m);
  Bytes secret(64, 0xa7);
  write(journal, 1, {{1, secret}});
  write(journal, 2, {{2, secret}});
  std::vector<uint8_t> all = m.read();
  EXPECT_EQ(std::search(all.begin(), all.end(), secret.begin(), secret.begin() + 8), all.end());
}

TEST_F(JournalTest, SealsNothingTwiceUnderOneNonce) {
  Memfd m;
  Journal journal = made(m);
  Bytes body(64, 0);
  std::set<std::vector<uint8_t>> seen;
  std::vector<uint8_t> before = m.read();
  for (int i = 0; i < 50; i++) {
    write(journal, 1, {{1, body}});
    std::vector<uint8_t> after = m.read();
    // Zeroes sealed are the key stream itself: the newest 64 bytes that changed in a row.
    size_t at = after.size();
    while (at > 0 && before[at - 1] == after[at - 1]) at--;
    std::vector<uint8_t> stream(after.begin() + static_cast<long>(at) - 32, after.begin() + static_cast<long>(at));
    EXPECT_TRUE(seen.insert(stream).second);
    before = after;
  }
}

// A process that writes without a pause, killed at some moment: every acknowledged command stands, whole.
TEST_F(JournalTest, SurvivesAKillAtAnyMoment) {
  auto* acknowledged = static_cast<std::atomic<uint64_t>*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(static_cast<void*>(acknowledged), MAP_FAILED);
  std::mt19937_64 random(20);
  for (int round = 0; round < 60; round++) {
    Memfd m;
    acknowledged->store(0);
    pid_t writer = fork();
    ASSERT_GE(writer, 0);
    if (writer == 0) {
      Journal journal = made(m);
      for (uint64_t n = 1;; n++) {
        write(journal, n, change_of(n));
        acknowledged->store(n);
      }
    }
    while (acknowledged->load() == 0) usleep(100);
    usleep(static_cast<useconds_t>(random() % 20000));
    kill(writer, SIGKILL);
    waitpid(writer, nullptr, 0);

    auto r = recovered(m);
    ASSERT_TRUE(r);
    State got = state_of(*r);
    uint64_t n = number_in(got);
    EXPECT_EQ(r->epoch, n);
    EXPECT_GE(n, acknowledged->load());
    EXPECT_LE(n, acknowledged->load() + 1);
    State expected;
    for (uint64_t i = 1; i <= n; i++) apply(expected, change_of(i));
    EXPECT_EQ(got, expected);
  }
  munmap(acknowledged, 4096);
}

}  // namespace
