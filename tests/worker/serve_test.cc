// SPDX-License-Identifier: MIT
// A worker that is started by power on or reconnect: what it answers, and the manager's orders.
#include <algorithm>
#include <atomic>
#include <fstream>
#include <random>
#include <thread>

#include "tests/worker/serve_fixture.h"

namespace worker_test {
namespace {

TEST_F(Serve, MakesANewTpmAndAnswersAtOnce) {
  auto w = started();
  EXPECT_EQ(stored_.epoch, 1u);
  EXPECT_EQ(pcr(10), Bytes(20, 0));
  EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);
  EXPECT_NE(pcr(10), Bytes(20, 0));
}

TEST_F(Serve, AnswersACommandThatWaitedForIt) {
  ASSERT_TRUE(ring_->submit(pcr_read(0), 0).ok());
  auto w = started();
  EXPECT_EQ(code_of(wait_answer()), 0u);
}

TEST_F(Serve, IsConfinedWhenReady) {
  auto w = started();
  std::ifstream file("/proc/" + std::to_string(w->pid()) + "/status");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_NE(text.find("Seccomp:\t2"), std::string::npos);
  EXPECT_NE(text.find("NoNewPrivs:\t1"), std::string::npos);
  EXPECT_NE(text.find("CapEff:\t0000000000000000"), std::string::npos);
  if (geteuid() == 0) {
    std::string id = std::to_string(1900000000 + loopback::raw(guest_));
    EXPECT_NE(text.find("Uid:\t" + id + "\t" + id), std::string::npos) << text;
  }
}

TEST_F(Serve, PowerOnForgetsThePcrs) {
  auto w = started();
  EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);
  w.reset();
  new_ring();
  w = started();
  EXPECT_EQ(pcr(10), Bytes(20, 0));
}

TEST_F(Serve, AnswersBadHeadersAndGoesOn) {
  auto w = started();
  auto answer_to = [&](uint32_t length, uint8_t state, uint8_t locality) {
    EXPECT_TRUE(ring_->page().store<uint32_t>(0, length));
    EXPECT_TRUE(ring_->page().store<uint8_t>(5, locality));
    EXPECT_TRUE(ring_->page().store<uint8_t>(4, state));
    ring_->notify();
    auto end = std::chrono::steady_clock::now() + seconds(10);
    while (ring_->progress() != frontend::Ring::Progress::Answered && std::chrono::steady_clock::now() < end) {
      if (readable(ring_->fd(), 100)) acknowledge();
    }
    auto response = ring_->response();
    return response.ok() ? code_of(response.value()) : UINT32_MAX;
  };
  for (uint32_t length : {0u, 9u, 4089u, 0xffffffffu}) EXPECT_EQ(answer_to(length, 1, 0), 25u) << length;
  for (uint8_t locality : {uint8_t{1}, uint8_t{4}, uint8_t{255}})
    EXPECT_EQ(answer_to(14, 1, locality), kBadLocality) << int{locality};
  EXPECT_EQ(answer_to(14, 77, 0), 3u);
  EXPECT_EQ(result_of(command(0x7fff, {})), kBadOrdinal);
  EXPECT_EQ(pcr(1), Bytes(20, 0));
}

TEST_F(Serve, AnswersCancelWithIdle) {
  auto w = started();
  EXPECT_EQ(pcr(1), Bytes(20, 0));
  swallow_notifications();
  ring_->cancel();
  ASSERT_TRUE(readable(ring_->fd()));
  EXPECT_EQ(ring_->progress(), frontend::Ring::Progress::Cancelled);
  EXPECT_EQ(pcr(1), Bytes(20, 0));
}

TEST_F(Serve, StopsWithASnapshotFromWhichAnotherGoesOn) {
  auto w = started();
  EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);
  Bytes before = pcr(10);
  w->send(message::Stop{});
  auto snapshot = w->expect<message::Snapshot>();
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->epoch, stored_.epoch);
  EXPECT_TRUE(vault::unseal(key_, uuid_, vault::Purpose::Snapshot, stored_.epoch, snapshot->snapshot));
  EXPECT_EQ(w->wait_end(), 0);
  EXPECT_EQ(ring_->progress(), frontend::Ring::Progress::Cancelled);

  new_ring();
  w = started(StartKind::Reconnect, -1, snapshot->snapshot);
  EXPECT_EQ(pcr(10), before);
}

TEST_F(Serve, FrozenItServesNothingUntilThawed) {
  auto w = started();
  EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);
  w->send(message::Freeze{});
  ASSERT_TRUE(w->expect<message::Snapshot>());
  ASSERT_TRUE(ring_->submit(pcr_read(10), 0).ok());
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_EQ(ring_->progress(), frontend::Ring::Progress::Running);
  w->send(message::Thaw{});
  EXPECT_EQ(code_of(wait_answer()), 0u);
  EXPECT_EQ(pcr(11), Bytes(20, 0));
}

// The page changes all the time while commands run: every answer is well-formed as it is written, the worker lives, and
// another guest's worker answers throughout.
TEST_F(Serve, SurvivesAGuestThatRewritesThePage) {
  auto w = started();
  std::atomic<bool> stop{false};
  std::thread hostile([&, page = ring_->page()] {
    std::mt19937_64 random(11);
    while (!stop) {
      uint64_t r = random();
      size_t at = r % 5 == 0 ? (r >> 8) % 8 : 8 + (r >> 8) % 64;
      if (at == 4) continue;
      EXPECT_TRUE(page.store<uint8_t>(at, static_cast<uint8_t>(r >> 32)));
    }
  });
  int answered = 0;
  for (int i = 0; i < 3000; i++) {
    EXPECT_TRUE(ring_->page().store<uint32_t>(0, 34));
    EXPECT_TRUE(ring_->page().store_bytes(8, extend(static_cast<uint32_t>(i % 24), 1)));
    EXPECT_TRUE(ring_->page().store<uint8_t>(4, 1));
    ring_->notify();
    while (ring_->progress() == frontend::Ring::Progress::Running) {
      ASSERT_TRUE(readable(ring_->fd(), 20000)) << "no answer to command " << i;
      ASSERT_TRUE(ring_->acknowledge().ok());
    }
    answered++;
  }
  stop = true;
  hostile.join();
  EXPECT_EQ(answered, 3000);
  swallow_notifications();
  EXPECT_EQ(send(pcr_read(23)).size(), 30u);
}

}  // namespace
}  // namespace worker_test
