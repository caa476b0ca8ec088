// SPDX-License-Identifier: MIT
// A worker that waits until its state is durable, or does not know whether it is.
#include <sys/wait.h>

#include "tests/worker/serve_fixture.h"

namespace worker_test {
namespace {

class Commits : public Serve {
 protected:
  // The guest sends a command that changes permanent state; the commit is left unanswered.
  std::unique_ptr<WorkerProcess> with_open_commit() {
    auto w = started();
    EXPECT_TRUE(ring_->submit(physical_presence(0x0020), 0).ok());
    open_ = w->expect<message::Commit>();
    EXPECT_TRUE(open_);
    return w;
  }
  std::optional<message::Commit> open_;
};

TEST_F(Commits, TheAnswerWaitsUntilTheStateIsDurable) {
  auto w = with_open_commit();
  ASSERT_TRUE(open_);
  std::this_thread::sleep_for(milliseconds(200));
  EXPECT_EQ(ring_->progress(), frontend::Ring::Progress::Running);
  w->send(message::Committed{open_->epoch + 1, true});  // of another epoch: means nothing
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_EQ(ring_->progress(), frontend::Ring::Progress::Running);
  store(*w, *open_);
  EXPECT_EQ(code_of(wait_answer()), 0u);
}

TEST_F(Commits, AFailedCommitIsAnErrorAndNoChange) {
  auto w = with_open_commit();
  ASSERT_TRUE(open_);
  w->send(message::Committed{open_->epoch, false});
  EXPECT_EQ(code_of(wait_answer()), kFail);
  ASSERT_TRUE(ring_->submit(physical_presence(0x0020), 0).ok());
  auto again = w->expect<message::Commit>();
  ASSERT_TRUE(again) << "the change had been kept";
  EXPECT_EQ(again->epoch, open_->epoch);
  store(*w, *again);
  EXPECT_EQ(code_of(wait_answer()), 0u);
}

TEST_F(Commits, AKillAfterTheCommitKeepsStateAndPcrs) {
  auto w = started();
  EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);
  Bytes before = pcr(10);
  ASSERT_TRUE(ring_->submit(physical_presence(0x0020), 0).ok());
  auto commit = w->expect<message::Commit>();
  ASSERT_TRUE(commit);
  stored_ = {commit->epoch, commit->permanent.bytes()};
  Descriptor journal = std::move(w->journal);
  w.reset();
  w = started(StartKind::Continuation, journal.get());
  EXPECT_EQ(code_of(wait_answer()), kFail);
  EXPECT_EQ(pcr(10), before);
}

TEST_F(Commits, TheJournalNamesTheNewestEpochAfterEveryCommand) {
  auto w = started();
  for (uint16_t what : {uint16_t{0x0020}, uint16_t{0x0040}}) {
    ASSERT_TRUE(ring_->submit(physical_presence(what), 0).ok());
    auto commit = w->expect<message::Commit>();
    ASSERT_TRUE(commit) << what;
    store(*w, *commit);
    EXPECT_EQ(code_of(wait_answer()), 0u);
  }
  Descriptor journal = std::move(w->journal);
  w.reset();
  w = started(StartKind::Continuation, journal.get());
  wait_answer(milliseconds(100));
  EXPECT_EQ(pcr(10), Bytes(20, 0));
}

TEST_F(Commits, AnOpenCommitSurvivesAChangeOfManagers) {
  auto w = with_open_commit();
  ASSERT_TRUE(open_);
  w->hang_up();
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_EQ(ring_->progress(), frontend::Ring::Progress::Running);
  ASSERT_TRUE(w->connect());
  w->send(message::Adopt{});
  auto hello = w->expect<message::Hello>();
  ASSERT_TRUE(hello);
  EXPECT_TRUE(hello->commit_open);
  auto again = w->expect<message::Commit>();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->digest, open_->digest);
  EXPECT_EQ(again->permanent, open_->permanent);
  store(*w, *again);
  EXPECT_EQ(code_of(wait_answer()), 0u);
}

class Halted : public Commits {
 protected:
  void SetUp() override {
    Commits::SetUp();
    commit_patience_ = "1";
  }
  // The manager is away for longer than the worker's patience, then another comes.
  std::unique_ptr<WorkerProcess> with_new_manager() {
    auto w = with_open_commit();
    if (!open_) return w;
    w->hang_up();
    EXPECT_EQ(code_of(wait_answer()), kFail);
    EXPECT_EQ(result_of(pcr_read(10)), kFail) << "executes nothing while it does not know its state";
    EXPECT_TRUE(w->connect());
    w->send(message::Adopt{});
    auto hello = w->expect<message::Hello>();
    EXPECT_TRUE(hello && hello->commit_open);
    auto again = w->expect<message::Commit>();
    EXPECT_TRUE(again && again->digest == open_->digest);
    return w;
  }
};

TEST_F(Halted, GoesOnWhenTheCommitWasNotStored) {
  auto w = with_new_manager();
  ASSERT_TRUE(open_);
  w->send(message::Committed{open_->epoch, false});
  w->send(message::Freeze{});
  ASSERT_TRUE(w->expect<message::Snapshot>());
  w->send(message::Thaw{});
  EXPECT_EQ(result_of(pcr_read(10)), 0u);
}

TEST_F(Halted, EndsWhenTheCommitWasStored) {
  auto w = with_new_manager();
  ASSERT_TRUE(open_);
  store(*w, *open_);
  auto status = w->wait_end();
  ASSERT_TRUE(status);
  EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 1);
  Descriptor journal = std::move(w->journal);
  w = started(StartKind::Continuation, journal.get());
  EXPECT_EQ(pcr(10), Bytes(20, 0));
}

}  // namespace
}  // namespace worker_test
