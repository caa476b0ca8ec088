// SPDX-License-Identifier: MIT
// A worker that goes on where another one died: its journal, or none.
#include <algorithm>
#include <random>

#include "tests/worker/serve_fixture.h"

namespace worker_test {
namespace {

TEST_F(Serve, AKilledWorkerLosesNothing) {
  auto w = started();
  EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);
  Bytes before = pcr(10);
  Descriptor journal = std::move(w->journal);
  w.reset();

  ASSERT_TRUE(ring_->submit(extend(10, 0xbb), 0).ok());
  swallow_notifications();
  w = started(StartKind::Continuation, journal.get());
  EXPECT_EQ(code_of(wait_answer()), kFail) << "it may have been executed";
  EXPECT_EQ(pcr(10), before);
  EXPECT_EQ(result_of(extend(10, 0xbb)), 0u);
  Bytes after = pcr(10);

  journal = std::move(w->journal);
  w.reset();
  w = started(StartKind::Continuation, journal.get());
  EXPECT_EQ(pcr(10), after);
}

TEST_F(Serve, AContinuationNotifiesEvenWhenNothingWaits) {
  auto w = started();
  EXPECT_EQ(pcr(10), Bytes(20, 0));
  Descriptor journal = std::move(w->journal);
  w.reset();
  swallow_notifications();
  w = started(StartKind::Continuation, journal.get());
  EXPECT_TRUE(readable(ring_->fd()));
}

TEST_F(Serve, ALostJournalIsNeverAFreshTpm) {
  auto w = started();
  EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);
  Descriptor journal = std::move(w->journal);
  w.reset();
  const std::vector<uint8_t> nonsense(message::kJournalBytes - 4096, 1);
  ASSERT_EQ(pwrite(journal.get(), nonsense.data(), nonsense.size(), 4096), static_cast<ssize_t>(nonsense.size()));
  w = started(StartKind::Continuation, journal.get());
  wait_answer(milliseconds(200));
  EXPECT_EQ(result_of(extend(10, 0)), kFailedSelfTest);
  w.reset();

  w = started(StartKind::Continuation);
  EXPECT_EQ(result_of(extend(10, 0)), kFailedSelfTest);
  w.reset();
  w = started(StartKind::Lost);
  EXPECT_EQ(result_of(extend(10, 0)), kFailedSelfTest);
}

TEST_F(Serve, AJournalOfAnotherPowerCycleIsNotTaken) {
  auto w = started();
  EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);
  Descriptor journal = std::move(w->journal);
  w.reset();
  w = new_process();
  message::Start start = start_message(StartKind::Continuation);
  start.power_cycle++;
  w->send(start, journal.get());
  ASSERT_TRUE(w->expect<message::Ready>());
  EXPECT_EQ(result_of(extend(10, 0)), kFailedSelfTest);
}

TEST_F(Serve, KilledAtAnyMomentItKeepsEveryAcknowledgedExtend) {
  auto w = started();
  std::mt19937_64 random(7);
  for (int round = 0; round < 8; round++) {
    std::thread killer([&, pid = w->pid(), delay = random() % 4000] {
      std::this_thread::sleep_for(std::chrono::microseconds(delay));
      ::kill(pid, SIGKILL);
    });
    Bytes last;
    for (;;) {
      auto response = ring_->transact(extend(10, 0xaa), 0, milliseconds(300), milliseconds(1));
      if (!response.ok()) break;
      ASSERT_EQ(code_of(response.value()), 0u);
      last = Bytes(response.value().begin() + 10, response.value().end());
    }
    killer.join();
    Descriptor journal = std::move(w->journal);
    w.reset();
    w = started(StartKind::Continuation, journal.get());
    wait_answer(milliseconds(500));
    swallow_notifications();
    Bytes now = pcr(10);
    if (last.empty() || now == last) continue;
    // One more had been executed when it died: its value is that of one more extend.
    EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);
    EXPECT_NE(now, Bytes(20, 0));
  }
}

}  // namespace
}  // namespace worker_test
