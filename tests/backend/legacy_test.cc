// SPDX-License-Identifier: MIT
#include "backend/ring/legacy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <vector>

namespace {

using backend::LegacyRing;
using Moved = backend::Transfers::Moved;
using Refusal = backend::Ring::Refusal;
using Bytes = std::vector<uint8_t>;
using Granted = std::array<uint8_t, 4096>;

constexpr size_t kPage = 4096;

class CountingDoorbell : public backend::Doorbell {
 public:
  void ring() override { rings++; }
  int rings = 0;
};

// The pages that a guest has granted, and what is copied from and to them.
class Pages : public backend::Transfers {
 public:
  Moved fetch(xen::GrantRef ref, uint16_t offset, uint16_t n) override {
    return move(ref, offset, n, [&](uint8_t* page) { std::copy_n(page, n, incoming_.begin()); });
  }
  Moved deliver(xen::GrantRef ref, uint16_t offset, uint16_t n) override {
    deliveries++;
    return move(ref, offset, n, [&](uint8_t* page) { std::copy_n(outgoing_.begin(), n, page); });
  }
  base::ForeignBytes incoming() const override { return base::ForeignBytes(incoming_); }
  base::ForeignBytes outgoing() const override { return base::ForeignBytes(outgoing_); }

  std::map<uint32_t, Granted> granted;
  bool broken = false;
  int deliveries = 0;

 private:
  template <class F>
  Moved move(xen::GrantRef ref, size_t offset, size_t n, F copy) {
    // What vtpm-grantd would end for.
    EXPECT_TRUE(n > 0 && offset + n <= kPage);
    if (broken) return Moved::Broken;
    auto page = granted.find(static_cast<uint32_t>(ref));
    if (page == granted.end()) return Moved::NotGranted;
    copy(page->second.data() + offset);
    return Moved::Done;
  }
  alignas(8) mutable std::array<uint8_t, kPage> incoming_{}, outgoing_{};
};

Bytes be32(uint32_t v) {
  return {static_cast<uint8_t>(v >> 24), static_cast<uint8_t>(v >> 16), static_cast<uint8_t>(v >> 8),
          static_cast<uint8_t>(v)};
}
Bytes packet(uint8_t tag, uint32_t claimed, size_t n, uint8_t filler = 0x5a) {
  Bytes bytes = {0, tag};
  Bytes size = be32(claimed);
  bytes.insert(bytes.end(), size.begin(), size.end());
  bytes.resize(n, filler);
  return bytes;
}
Bytes error(uint8_t code) { return {0, 0xc4, 0, 0, 0, 10, 0, 0, 0, code}; }

class Legacy : public testing::Test {
 protected:
  static constexpr uint32_t kRef = 0x87654321;

  void write_slot(uint64_t address, uint32_t ref, uint16_t size, uint16_t unused = 0) {
    for (size_t i = 0; i < 8; i++) memory_[i] = static_cast<uint8_t>(address >> 8 * i);
    for (size_t i = 0; i < 4; i++) memory_[8 + i] = static_cast<uint8_t>(ref >> 8 * i);
    for (size_t i = 0; i < 2; i++) memory_[12 + i] = static_cast<uint8_t>(unused >> 8 * i);
    for (size_t i = 0; i < 2; i++) memory_[14 + i] = static_cast<uint8_t>(size >> 8 * i);
  }
  uint16_t size() const { return static_cast<uint16_t>(memory_[14] | memory_[15] << 8); }
  void grant(const Bytes& bytes, size_t offset = 0) {
    Granted& page = pages_.granted[kRef];
    std::ranges::copy(bytes, page.begin() + static_cast<long>(offset));
  }
  Bytes granted(size_t n, size_t offset = 0) {
    auto from = pages_.granted[kRef].begin() + static_cast<long>(offset);
    return Bytes(from, from + static_cast<long>(n));
  }
  void submit(const Bytes& command, size_t offset = 0) {
    grant(command, offset);
    write_slot(0x7000 + offset, kRef, static_cast<uint16_t>(command.size()));
  }
  void expect_failed(Refusal why, size_t offset = 0) {
    auto request = ring_.take();
    ASSERT_FALSE(request.ok());
    EXPECT_EQ(request.error(), why);
    EXPECT_EQ(granted(10, offset), error(9));
    EXPECT_EQ(size(), 10);
    EXPECT_EQ(bell_.rings, 1);
  }
  void expect_nothing_given(Refusal why) {
    auto request = ring_.take();
    ASSERT_FALSE(request.ok());
    EXPECT_EQ(request.error(), why);
    EXPECT_EQ(size(), 0);
    EXPECT_EQ(bell_.rings, 1);
  }

  alignas(8) std::array<uint8_t, kPage> memory_{};
  CountingDoorbell bell_;
  Pages pages_;
  LegacyRing ring_{base::ForeignBytes(memory_), pages_, bell_};
};

TEST_F(Legacy, GivesTheCommandOfTheSlot) {
  submit(packet(0xc1, 14, 14));
  auto request = ring_.take();
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request.value().locality, 0);
  ASSERT_EQ(request.value().command.size(), 14u);
  EXPECT_EQ(request.value().command.load<uint8_t>(13), 0x5a);
  EXPECT_EQ(bell_.rings, 0);
  EXPECT_FALSE(ring_.cancel_asked());
}

TEST_F(Legacy, AnswersWhereTheCommandWas) {
  submit(packet(0xc1, 14, 14), 8);
  ASSERT_TRUE(ring_.take().ok());
  Bytes response = packet(0xc4, 4088, 4088, 0x77);
  ASSERT_TRUE(ring_.response_area().store_bytes(0, response));
  ring_.finish(response.size());
  EXPECT_EQ(granted(4088, 8), response);
  EXPECT_EQ(size(), 4088);
  EXPECT_EQ(bell_.rings, 1);
  EXPECT_TRUE(ring_.stands());
}

TEST_F(Legacy, LooksNeitherAtTheRestOfTheAddressNorAtTheFiller) {
  grant(packet(0xc1, 10, 10));
  write_slot(0xfedcba9876543000, kRef, 10, 0xffff);
  EXPECT_TRUE(ring_.take().ok());
}

TEST_F(Legacy, TakesTheShortestAndTheLongestCommand) {
  for (uint32_t n : {10u, 4088u}) {
    submit(packet(0xc1, n, n));
    auto request = ring_.take();
    ASSERT_TRUE(request.ok()) << n;
    EXPECT_EQ(request.value().command.size(), n);
  }
}

TEST_F(Legacy, AnswersSizesThatNoCommandHas) {
  for (uint16_t n : std::initializer_list<uint16_t>{0, 1, 9, 4089, 4096, 4097, 0x7fff, 0xffff}) {
    grant(packet(0xc1, n, 10));
    write_slot(0x7000, kRef, n);
    bell_.rings = 0;
    expect_failed(Refusal::BadLength);
  }
}

TEST_F(Legacy, AnswersWhatIsNotAtTheBeginningOfItsPage) {
  for (uint16_t offset : std::initializer_list<uint16_t>{9, 100, 4086}) {
    grant(Bytes(kPage, 0));
    write_slot(0x7000 + offset, kRef, 10);
    bell_.rings = 0;
    expect_failed(Refusal::BadLength, offset);
  }
}

TEST_F(Legacy, GivesNothingWhereNoErrorHasRoom) {
  grant(Bytes(kPage, 0x11));
  Bytes before = granted(kPage);
  for (uint16_t offset : std::initializer_list<uint16_t>{4087, 4095}) {
    write_slot(0x7000 + offset, kRef, 10);
    bell_.rings = 0;
    expect_nothing_given(Refusal::Unreachable);
  }
  EXPECT_EQ(granted(kPage), before);
}

TEST_F(Legacy, GivesNothingWithoutAGrant) {
  write_slot(0x7000, kRef, 10);
  expect_nothing_given(Refusal::Unreachable);
}

TEST_F(Legacy, AnswersASizeThatIsNotThePackets) {
  for (uint32_t claimed : {0u, 10u, 13u, 15u, 0x0e000000u, 0xffffffffu}) {
    submit(packet(0xc1, claimed, 14));
    bell_.rings = 0;
    expect_failed(Refusal::BadLength);
  }
}

TEST_F(Legacy, LeavesAnUnknownTagToTheTpm) {
  submit(packet(0x07, 10, 10));
  EXPECT_TRUE(ring_.take().ok());
}

TEST_F(Legacy, TakesItsOwnAnswerForNoRequest) {
  submit(packet(0xc1, 14, 14));
  ASSERT_TRUE(ring_.take().ok());
  ASSERT_TRUE(ring_.response_area().store_bytes(0, packet(0xc4, 14, 14)));
  ring_.finish(14);
  bell_.rings = 0;
  auto again = ring_.take();
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error(), Refusal::Idle);
  EXPECT_EQ(bell_.rings, 0);
}

TEST_F(Legacy, GivesNothingWhenTheGrantIsRevokedMeanwhile) {
  submit(packet(0xc1, 14, 14));
  ASSERT_TRUE(ring_.take().ok());
  pages_.granted.clear();
  ring_.finish(10);
  EXPECT_EQ(size(), 0);
  EXPECT_EQ(bell_.rings, 1);
  EXPECT_TRUE(ring_.stands());
}

// The answer goes where the command came from, whatever the guest writes meanwhile.
TEST_F(Legacy, LoadsTheSlotOnce) {
  submit(packet(0xc1, 14, 14));
  ASSERT_TRUE(ring_.take().ok());
  pages_.granted[77].fill(0x33);
  write_slot(0x7fff, 77, 0xffff);
  ASSERT_TRUE(ring_.response_area().store_bytes(0, packet(0xc4, 20, 20)));
  ring_.finish(20);
  EXPECT_EQ(granted(20), packet(0xc4, 20, 20));
  EXPECT_TRUE(std::ranges::all_of(pages_.granted[77], [](uint8_t byte) { return byte == 0x33; }));
}

TEST_F(Legacy, StandsNoMoreWithoutVtpmGrantd) {
  submit(packet(0xc1, 14, 14));
  pages_.broken = true;
  auto request = ring_.take();
  ASSERT_FALSE(request.ok());
  EXPECT_EQ(request.error(), Refusal::Idle);
  EXPECT_FALSE(ring_.stands());
  EXPECT_EQ(bell_.rings, 0) << "the next worker answers";
}

TEST_F(Legacy, StandsNoMoreWhenVtpmGrantdGoesUnderACommand) {
  submit(packet(0xc1, 14, 14));
  ASSERT_TRUE(ring_.take().ok());
  pages_.broken = true;
  ring_.finish(10);
  EXPECT_FALSE(ring_.stands());
  EXPECT_EQ(bell_.rings, 0);
  EXPECT_EQ(size(), 14);
}

// ---- Without a notification ----

TEST_F(Legacy, FindsARequestWhoseNotificationWasLost) {
  submit(packet(0xc2, 14, 14));
  EXPECT_TRUE(ring_.take_untold().ok());
  EXPECT_EQ(bell_.rings, 0);
}

TEST_F(Legacy, AnswersNothingThatMayNeverHaveBeenAsked) {
  const Bytes kWell = packet(0xc1, 14, 14);
  auto expect_idle = [&](const char* what) {
    for (size_t i = 0; i < 2; i++) {
      auto request = ring_.take_untold();
      ASSERT_FALSE(request.ok()) << what;
      EXPECT_EQ(request.error(), Refusal::Idle) << what;
      ring_.answer_unread(9);
    }
    EXPECT_EQ(bell_.rings, 0) << what;
    EXPECT_EQ(pages_.deliveries, 0) << what;
  };
  expect_idle("a new page");
  write_slot(0x7000, kRef, 14);
  expect_idle("no grant");
  submit(packet(0xc4, 14, 14));
  expect_idle("an answer that was told");
  submit(packet(0x01, 14, 14));
  expect_idle("no tag of TPM 1.2");
  submit(packet(0xc1, 15, 14));
  expect_idle("another size");
  grant(kWell, 64);
  write_slot(0x7040, kRef, 14);
  expect_idle("a packet far in its page");
  submit(kWell);
  write_slot(0x7000, kRef, 9);
  expect_idle("a size that no command has");
}

TEST_F(Legacy, AnswersTheCommandThatADeadWorkerHasLeft) {
  submit(packet(0xc3, 14, 14));
  ring_.answer_unread(9);
  EXPECT_EQ(granted(10), error(9));
  EXPECT_EQ(size(), 10);
  EXPECT_EQ(bell_.rings, 1);
  ring_.answer_unread(9);
  EXPECT_EQ(bell_.rings, 1) << "once";
}

TEST_F(Legacy, TellsOfAnAnswerThatADeadWorkerHasDeliveredUntold) {
  submit(packet(0xc1, 14, 14));
  grant(packet(0xc4, 30, 30));
  ring_.answer_unread(9);
  EXPECT_EQ(granted(30), packet(0xc4, 30, 30)) << "as it was";
  EXPECT_EQ(size(), 30);
  EXPECT_EQ(bell_.rings, 1);
}

TEST_F(Legacy, BelievesNoAnswerThatCannotBeThere) {
  for (uint32_t claimed : {0u, 9u, 4089u, 0xffffffffu}) {
    submit(packet(0xc4, claimed, 14));
    ring_.answer_unread(9);
    EXPECT_EQ(bell_.rings, 0) << claimed;
  }
}

// ---- Anything ----

TEST_F(Legacy, AnswersEachNotificationOnceWhateverTheSlotHolds) {
  std::mt19937_64 dice(1);
  for (int i = 0; i < 20'000; i++) {
    pages_.granted.clear();
    auto n = static_cast<uint16_t>(dice() % 3 == 0 ? dice() : dice() % 40);
    uint32_t claimed = dice() % 2 == 0 ? n : static_cast<uint32_t>(dice());
    bool reachable = dice() % 4 != 0;
    if (reachable) grant(packet(static_cast<uint8_t>(0xc0 + dice() % 8), claimed, 20));
    write_slot(dice() % 2 == 0 ? dice() : 0x7000 + dice() % 12, reachable ? kRef : static_cast<uint32_t>(dice()), n);
    bell_.rings = 0;
    auto request = ring_.take();
    if (request.ok()) {
      ASSERT_LE(request.value().command.size(), 4088u);
      ASSERT_EQ(request.value().command.size(), n);
      ring_.finish(10);
      EXPECT_EQ(bell_.rings, 1);
    } else {
      EXPECT_EQ(bell_.rings, request.error() == Refusal::Idle ? 0 : 1);
    }
    EXPECT_TRUE(ring_.stands());
  }
}

}  // namespace
