// SPDX-License-Identifier: MIT
// What a worker tells its manager of its work: soon after the work, and then nothing until there is more of it.
#include <atomic>
#include <thread>

#include "tests/worker/serve_fixture.h"

namespace worker_test {
namespace {

class Statistics : public Serve {
 protected:
  void SetUp() override {
    Serve::SetUp();
    worker_ = started();
    worker_->sees_statistics = true;
  }
  void work(int times) {
    for (int i = 0; i < times; i++) EXPECT_EQ(result_of(pcr_read(3)), 0u);
  }
  // The commands by the next message, which tells statistics; and by the first that tells of so many.
  uint64_t told() {
    auto told = worker_->expect<message::Statistics>();
    EXPECT_TRUE(told);
    return told ? told->commands : 0;
  }
  uint64_t told(uint64_t least) {
    uint64_t commands = told();
    while (commands > 0 && commands < least) commands = told();
    return commands;
  }
  bool silent() { return !worker_->receive(kLongEnough); }

  static constexpr milliseconds kLongEnough{1500};  // they are told once a second
  std::unique_ptr<WorkerProcess> worker_;
};

TEST_F(Statistics, AreToldAfterTheFirstCommandAndWhenTheGuestFallsSilent) {
  work(1);
  EXPECT_EQ(told(), 1U) << "the first, at once";
  work(10);
  EXPECT_EQ(told(11), 11U);
  EXPECT_TRUE(silent()) << "there is no more to tell";
  work(5);
  EXPECT_EQ(told(16), 16U) << "again";
  EXPECT_TRUE(silent());
}

TEST_F(Statistics, AreToldWhileTheGuestIsBusy) {
  work(1);
  uint64_t first = told();
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) work(1);
  });
  uint64_t second = told(), third = told();
  stop = true;
  busy.join();
  EXPECT_GT(second, first);
  EXPECT_GT(third, second);
}

TEST_F(Statistics, StandWholeBeforeTheSnapshot) {
  work(7);
  worker_->send(message::Freeze{});
  EXPECT_EQ(told(7), 7U);
  EXPECT_TRUE(worker_->expect<message::Snapshot>());
  EXPECT_TRUE(silent()) << "a frozen worker";
  worker_->send(message::Thaw{});
  work(2);
  EXPECT_EQ(told(9), 9U);
}

}  // namespace
}  // namespace worker_test
