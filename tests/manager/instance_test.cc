// SPDX-License-Identifier: MIT
#include "backend/manager/instance.h"

#include <gtest/gtest.h>

#include <set>

namespace backend {
namespace {

constexpr Event kFrontEvents[] = {Event::FrontInitialising, Event::FrontReady, Event::FrontReplaced,
                                  Event::FrontClosing};

template <class F>
void for_each_pair(F visit) {
  for (Stage stage : kStages) {
    for (Event event : kEvents) {
      SCOPED_TRACE(std::string(name_of(stage)) + " + " + std::string(name_of(event)));
      visit(stage, event);
    }
  }
}

Stage after(Stage stage, std::initializer_list<Event> events) {
  for (Event event : events) stage = step(stage, event).next;
  return stage;
}

TEST(Step, KnowsEveryPairAndEveryName) {
  for_each_pair([](Stage stage, Event event) {
    EXPECT_NE(name_of(stage), "?");
    EXPECT_NE(name_of(event), "?");
    Step s = step(stage, event);
    EXPECT_NE(std::find(kStages.begin(), kStages.end(), s.next), kStages.end());
  });
}

TEST(Step, OnlyARefusalLeadsToFailed) {
  for_each_pair([](Stage stage, Event event) {
    if (stage != Stage::Failed && step(stage, event).next == Stage::Failed) {
      EXPECT_EQ(event, Event::Refused);
    }
    if (stage != Stage::Gone && stage != Stage::Draining && event == Event::Refused && stage != Stage::Failed) {
      EXPECT_EQ(step(stage, event).next, Stage::Failed);
    }
  });
}

TEST(Step, ARepeatOfALevelDoesNothing) {
  // A device comes back from Closed and Failed through Announced, where the same level starts the worker: the manager
  // gives it only after its own write of InitWait has been seen. Every other repeat must be without any effect.
  for_each_pair([](Stage stage, Event event) {
    if (event == Event::WorkerDied || event == Event::WorkerReplaced || event == Event::WorkerReady)
      return;  // happen once, are no levels
    Step first = step(stage, event);
    bool comes_back = first.next == Stage::Announced || stage == Stage::Failed || first.act == Act::Spawn ||
                      (first.next == Stage::Closed && event == Event::FrontInitialising);
    if (comes_back) return;
    EXPECT_EQ(step(first.next, event).next, first.next);
    if (first.act == Act::Drain || first.act == Act::None) {
      EXPECT_EQ(step(first.next, event).act, Act::None);
    }
  });
  EXPECT_EQ(step(Stage::Serving, Event::FrontReady), (Step{Stage::Serving, Act::None}));
  EXPECT_EQ(step(Stage::Starting, Event::FrontReady), (Step{Stage::Starting, Act::None}));
}

TEST(Step, NeverTwoWorkers) {
  for_each_pair([](Stage stage, Event event) {
    Step s = step(stage, event);
    if (s.act == Act::Spawn) {
      EXPECT_FALSE(has_worker(stage));
      EXPECT_EQ(s.next, Stage::Starting);
    }
    if (!has_worker(stage) && has_worker(s.next)) {
      EXPECT_EQ(s.act, Act::Spawn);
    }
  });
}

TEST(Step, LeavesNoWorkerBehind) {
  for_each_pair([](Stage stage, Event event) {
    Step s = step(stage, event);
    if (has_worker(stage) && !has_worker(s.next) && event != Event::WorkerDied && event != Event::WorkerReplaced) {
      EXPECT_TRUE(s.act == Act::Drain || s.act == Act::Kill || stage == Stage::Draining);
    }
  });
}

TEST(Step, PassesThroughInitWaitWhenTheFrontendReturns) {
  for (Event event : kFrontEvents) {
    EXPECT_NE(step(Stage::Closed, event).act, Act::Spawn);
    EXPECT_NE(step(Stage::Failed, event).act, Act::Spawn);
  }
  EXPECT_EQ(after(Stage::Serving, {Event::FrontClosing, Event::WorkerDied}), Stage::Closed);
  EXPECT_EQ(after(Stage::Closed, {Event::FrontInitialising}), Stage::Announced);  // 6 -> 1 -> 3
  EXPECT_EQ(after(Stage::Closed, {Event::FrontReady}), Stage::Announced);         // 6 -> 3
  EXPECT_EQ(after(Stage::Closed, {Event::FrontReady, Event::FrontReady, Event::WorkerReady}), Stage::Serving);
}

TEST(Step, StaysClosedWhenTheToolstackCloses) {
  for (Stage stage : kStages) {
    if (stage == Stage::Gone) continue;
    EXPECT_EQ(after(stage, {Event::BackClosing, Event::WorkerDied, Event::BackClosing}), Stage::Closed);
  }
}

TEST(Step, TakesAVanishedDirectoryForTheEnd) {
  for (Stage stage : kStages) EXPECT_EQ(step(stage, Event::BackGone).next, Stage::Gone);
  for (Event event : kEvents) EXPECT_EQ(step(Stage::Gone, event).next, Stage::Gone);
  EXPECT_EQ(step(Stage::Gone, Event::WorkerDied).act, Act::Forget);
}

TEST(Step, ReplacesADeadWorkerAtTheSameRing) {
  EXPECT_EQ(step(Stage::Serving, Event::WorkerDied), (Step{Stage::Crashed, Act::Retry}));
  EXPECT_EQ(step(Stage::Starting, Event::WorkerDied), (Step{Stage::Crashed, Act::Retry}));
  EXPECT_EQ(step(Stage::Crashed, Event::FrontReady), (Step{Stage::Starting, Act::Spawn}));
  EXPECT_EQ(step(Stage::Serving, Event::WorkerReplaced), (Step{Stage::Crashed, Act::None})) << "no death to count";
}

TEST(Step, AFailedDeviceWaitsForItsFrontendToLetGo) {
  EXPECT_EQ(step(Stage::Failed, Event::FrontReady).next, Stage::Failed);
  EXPECT_EQ(step(Stage::Failed, Event::FrontReplaced).next, Stage::Failed);
  EXPECT_EQ(step(Stage::Failed, Event::FrontClosing).next, Stage::Closed);
}

TEST(Step, FreezesAndThaws) {
  EXPECT_EQ(step(Stage::Serving, Event::Suspended), (Step{Stage::Frozen, Act::Freeze}));
  EXPECT_EQ(step(Stage::Frozen, Event::Resumed), (Step{Stage::Serving, Act::Thaw}));
  EXPECT_EQ(step(Stage::Frozen, Event::HandedOver), (Step{Stage::Draining, Act::Kill}));
}

}  // namespace
}  // namespace backend
