// SPDX-License-Identifier: MIT
#include "backend/ring/page.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace {

using backend::RingState;
using backend::TpmPage;
using Refusal = TpmPage::Refusal;

class CountingDoorbell : public backend::Doorbell {
 public:
  void ring() override { rings++; }
  int rings = 0;
};

class Page : public testing::Test {
 protected:
  void write_header(uint32_t length, unsigned state, unsigned locality = 0, unsigned pad = 0, unsigned extra = 0) {
    for (size_t i = 0; i < 4; i++) memory_[i] = static_cast<uint8_t>(length >> (8 * i));
    memory_[4] = static_cast<uint8_t>(state);
    memory_[5] = static_cast<uint8_t>(locality);
    memory_[6] = static_cast<uint8_t>(pad);
    memory_[7] = static_cast<uint8_t>(extra);
  }
  uint32_t length() const {
    uint32_t n = 0;
    for (size_t i = 0; i < 4; i++) n |= static_cast<uint32_t>(memory_[i]) << (8 * i);
    return n;
  }
  // Whether the page holds an error response with this code, visible and announced.
  void expect_error(uint8_t code, size_t at = 8) {
    EXPECT_EQ(memory_[4], 2);
    EXPECT_EQ(length(), 10u);
    EXPECT_EQ(bell_.rings, 1);
    std::vector<uint8_t> got(memory_.begin() + static_cast<long>(at), memory_.begin() + static_cast<long>(at) + 10);
    EXPECT_EQ(got, (std::vector<uint8_t>{0, 0xc4, 0, 0, 0, 10, 0, 0, 0, code}));
  }
  void expect_refused(Refusal why, uint8_t code, size_t at = 8) {
    auto request = page_.take();
    ASSERT_FALSE(request.ok());
    EXPECT_EQ(request.error(), why);
    expect_error(code, at);
  }

  alignas(8) std::array<uint8_t, 4096> memory_{};
  CountingDoorbell bell_;
  TpmPage page_{base::ForeignBytes(memory_), 0b00101, bell_};
};

TEST_F(Page, GivesTheSubmittedCommand) {
  write_header(14, 1, 2);
  memory_[8] = 0xaa;
  memory_[21] = 0xbb;
  auto request = page_.take();
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request.value().locality, 2);
  ASSERT_EQ(request.value().command.size(), 14u);
  EXPECT_EQ(request.value().command.load<uint8_t>(0), 0xaa);
  EXPECT_EQ(request.value().command.load<uint8_t>(13), 0xbb);
  EXPECT_EQ(bell_.rings, 0);
}

TEST_F(Page, TakesTheShortestAndTheLongestCommand) {
  for (uint32_t n : {10u, 4088u}) {
    write_header(n, 1);
    auto request = page_.take();
    ASSERT_TRUE(request.ok()) << n;
    EXPECT_EQ(request.value().command.size(), n);
  }
}

TEST_F(Page, IgnoresTheUnusedByte) {
  write_header(10, 1, 0, 0xff);
  EXPECT_TRUE(page_.take().ok());
}

TEST_F(Page, AnswersBadLengths) {
  for (uint32_t n : {0u, 1u, 9u, 4089u, 4096u, 0x80000000u, 0xffffffffu}) {
    write_header(n, 1);
    bell_.rings = 0;
    expect_refused(Refusal::BadLength, 25);
  }
}

TEST_F(Page, AnswersEveryLocalityThatIsNotAllowed) {
  for (unsigned locality = 0; locality < 256; locality++) {
    if (locality == 0 || locality == 2) continue;
    write_header(10, 1, locality);
    bell_.rings = 0;
    expect_refused(Refusal::BadLocality, 61);
  }
}

TEST_F(Page, NeverTakesLocalityFour) {
  TpmPage all(base::ForeignBytes(memory_), 0xff, bell_);
  for (unsigned locality = 0; locality < 256; locality++) {
    write_header(10, 1, locality);
    EXPECT_EQ(all.take().ok(), locality < 4) << locality;
  }
}

TEST_F(Page, AnswersUnknownStates) {
  for (unsigned state = 4; state < 256; state++) {
    write_header(10, state);
    bell_.rings = 0;
    expect_refused(Refusal::UnknownState, 3);
  }
}

TEST_F(Page, AnswersExtraPagesBehindTheirList) {
  for (unsigned extra = 1; extra < 256; extra++) {
    write_header(10, 1, 0, 0, extra);
    bell_.rings = 0;
    expect_refused(Refusal::ExtraPages, 25, 8 + 4 * extra);
  }
}

// A page with three more behind it.
class LongPage : public testing::Test {
 protected:
  static constexpr size_t kPacketAt = 8 + 4 * 3, kRoom = 4 * 4096 - kPacketAt;
  void submit(uint32_t length, uint8_t extra) {
    for (size_t i = 0; i < 4; i++) memory_[i] = static_cast<uint8_t>(length >> (8 * i));
    memory_[4] = 1;
    memory_[7] = extra;
  }
  alignas(8) std::array<uint8_t, 4 * 4096> memory_{};
  CountingDoorbell bell_;
  TpmPage page_{base::ForeignBytes(memory_), 1, bell_};
};

TEST_F(LongPage, HasThePacketBehindTheList) {
  EXPECT_EQ(page_.packet_bytes(), kRoom);
  EXPECT_EQ(page_.response_area().size(), kRoom);
  memory_[kPacketAt] = 0xaa;
  memory_.back() = 0xbb;
  submit(kRoom, 3);
  auto request = page_.take();
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request.value().command.size(), kRoom);
  EXPECT_EQ(request.value().command.load<uint8_t>(0), 0xaa);
  EXPECT_EQ(request.value().command.load<uint8_t>(kRoom - 1), 0xbb);
  ASSERT_TRUE(page_.response_area().store<uint8_t>(0, 0xcc));
  EXPECT_EQ(memory_[kPacketAt], 0xcc);
  page_.finish(kRoom);
}

TEST_F(LongPage, RefusesALengthBeyondItsPages) {
  submit(kRoom + 1, 3);
  EXPECT_EQ(page_.take().error(), Refusal::BadLength);
}

TEST_F(LongPage, RefusesAnotherNumberOfPages) {
  for (unsigned extra = 0; extra < 256; extra++) {
    submit(10, static_cast<uint8_t>(extra));
    auto request = page_.take();
    EXPECT_EQ(request.ok(), extra == 3) << extra;
    if (!request.ok()) {
      EXPECT_EQ(request.error(), Refusal::ExtraPages);
    }
  }
}

TEST_F(LongPage, ReadsTheListAsFarAsItMay) {
  memory_[7] = 2;
  memory_[8] = 5;
  memory_[13] = 1;
  EXPECT_EQ(backend::extra_pages_on(base::ForeignBytes(memory_), 7), (std::vector<uint32_t>{5, 256}));
  EXPECT_FALSE(backend::extra_pages_on(base::ForeignBytes(memory_), 1).has_value());
}

TEST_F(Page, HasNothingToDoWhenIdleOrFinished) {
  for (unsigned state : {0u, 2u}) {
    write_header(0xffffffff, state, 255, 255, 255);
    auto before = memory_;
    auto request = page_.take();
    ASSERT_FALSE(request.ok());
    EXPECT_EQ(request.error(), Refusal::Idle);
    EXPECT_EQ(memory_, before);
  }
  EXPECT_EQ(bell_.rings, 0);
}

TEST_F(Page, AnswersCancelOnAnIdleRingWithIdle) {
  write_header(10, 3);
  auto request = page_.take();
  ASSERT_FALSE(request.ok());
  EXPECT_EQ(request.error(), Refusal::Cancelled);
  EXPECT_EQ(memory_[4], 0);
  EXPECT_EQ(bell_.rings, 1);
}

TEST_F(Page, SeesCancelWhileACommandRuns) {
  write_header(10, 1);
  ASSERT_TRUE(page_.take().ok());
  EXPECT_FALSE(page_.cancel_asked());
  memory_[4] = 3;
  EXPECT_TRUE(page_.cancel_asked());
}

TEST_F(Page, KeepsToItsCopyOfTheHeader) {
  write_header(12, 1, 2);
  auto request = page_.take();
  write_header(0xffffffff, 1, 4, 0, 9);
  EXPECT_EQ(request.value().command.size(), 12u);
  EXPECT_EQ(request.value().locality, 2);
  ASSERT_TRUE(page_.response_area().store<uint8_t>(0, 0xcd));
  EXPECT_EQ(memory_[8], 0xcd);
}

TEST_F(Page, FinishesWithLengthStateAndBell) {
  write_header(10, 1);
  ASSERT_TRUE(page_.take().ok());
  page_.finish(4088);
  EXPECT_EQ(length(), 4088u);
  EXPECT_EQ(memory_[4], 2);
  EXPECT_EQ(bell_.rings, 1);
}

TEST_F(Page, AnswersUnreadCommandsAndAlwaysRings) {
  struct Case {
    unsigned state, answered;
  };
  for (Case c : {Case{0, 0}, Case{1, 2}, Case{2, 2}, Case{3, 0}, Case{200, 2}}) {
    write_header(77, c.state);
    std::fill(memory_.begin() + 8, memory_.end(), uint8_t{0});
    bell_.rings = 0;
    page_.answer_unread(9);
    EXPECT_EQ(memory_[4], c.answered) << c.state;
    EXPECT_EQ(bell_.rings, 1) << c.state;
    if (c.state == 1 || c.state == 200) expect_error(9);
  }
}

TEST_F(Page, LeavesIdle) {
  write_header(10, 1);
  page_.leave_idle();
  EXPECT_EQ(memory_[4], 0);
  EXPECT_EQ(bell_.rings, 1);
}

// A frontend that rewrites the header all the time gets refusals and requests within bounds, nothing else.
TEST_F(Page, StaysInBoundsWhileTheHeaderChanges) {
  std::atomic<bool> stop{false};
  std::thread peer([&] {
    uint64_t x = 88172645463325252u;
    base::ForeignBytes page{memory_};
    while (!stop) {
      x ^= x << 13, x ^= x >> 7, x ^= x << 17;
      uint64_t word = x & 0x01030705'00001fffu;
      ASSERT_TRUE(page.store<uint64_t>(0, word));
    }
  });
  int taken = 0;
  while (taken < 2000) {
    auto request = page_.take();
    if (!request.ok()) continue;
    taken++;
    ASSERT_GE(request.value().command.size(), 10u);
    ASSERT_LE(request.value().command.size(), 4088u);
    ASSERT_TRUE(request.value().locality == 0 || request.value().locality == 2);
    page_.finish(10);
  }
  stop = true;
  peer.join();
}

#ifdef FOREIGN_BYTES_TRACE
TEST_F(Page, LoadsTheHeaderOnceAndThePacketNever) {
  for (unsigned state = 0; state < 6; state++) {
    for (uint32_t n : {0u, 9u, 10u, 4088u, 4089u}) {
      write_header(n, state, n == 10 ? 4 : 0, 0, n == 4088 ? 7 : 0);
      base::ForeignTrace::watch(memory_);
      static_cast<void>(page_.take());
      for (size_t i = 0; i < 8; i++) EXPECT_EQ(base::ForeignTrace::loads(i), 1u) << "header byte " << i;
      for (size_t i = 8; i < 4096; i++) ASSERT_EQ(base::ForeignTrace::loads(i), 0u) << "packet byte " << i;
    }
  }
}

TEST_F(Page, PollsTheStateAlone) {
  write_header(10, 1);
  ASSERT_TRUE(page_.take().ok());
  base::ForeignTrace::watch(memory_);
  for (int i = 0; i < 3; i++) static_cast<void>(page_.cancel_asked());
  for (size_t i = 0; i < 4096; i++) ASSERT_EQ(base::ForeignTrace::loads(i), i == 4 ? 3u : 0u);
}

TEST_F(Page, ReadsNothingOfAnUnreadCommand) {
  write_header(4088, 1);
  base::ForeignTrace::watch(memory_);
  page_.answer_unread(9);
  for (size_t i = 8; i < 4096; i++) ASSERT_EQ(base::ForeignTrace::loads(i), 0u);
}
#endif

}  // namespace
