// SPDX-License-Identifier: MIT
// A worker whose manager has gone, and the next one.
#include <sys/wait.h>

#include "tests/worker/serve_fixture.h"

namespace worker_test {
namespace {

TEST_F(Serve, OutlivesItsManagerAndIsAdopted) {
  auto w = started();
  EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);
  w->hang_up();
  EXPECT_EQ(result_of(extend(10, 0xaa)), 0u);

  ASSERT_TRUE(w->connect());
  w->send(message::Adopt{});
  auto hello = w->expect<message::Hello>();
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->uuid, uuid_);
  EXPECT_EQ(hello->domain, loopback::raw(guest_));
  EXPECT_EQ(hello->power_cycle, 3u);
  EXPECT_EQ(hello->epoch, stored_.epoch);
  EXPECT_FALSE(hello->frozen);
  EXPECT_FALSE(hello->commit_open);
  EXPECT_GE(w->received_descriptor().get(), 0);
  Descriptor journal = std::move(w->received_descriptor());
  Bytes before = pcr(10);

  w->send(message::Freeze{});
  EXPECT_TRUE(w->expect<message::Snapshot>());
  w->hang_up();
  ASSERT_TRUE(w->connect());
  w->send(message::Adopt{});
  hello = w->expect<message::Hello>();
  ASSERT_TRUE(hello);
  EXPECT_TRUE(hello->frozen);

  w.reset();
  w = started(StartKind::Continuation, journal.get());
  EXPECT_EQ(pcr(10), before);
}

TEST_F(Serve, RefusesWhoSpeaksAnotherLanguage) {
  auto w = started();
  for (const Bytes& nonsense : {Bytes{}, Bytes{0}, Bytes{6}, Bytes{6, 0, 0, 0, 9}, Bytes(64, 6), Bytes(100000, 1)}) {
    Descriptor journal;
    w->hang_up();
    ASSERT_TRUE(w->connect());
    if (nonsense.empty()) continue;  // who says nothing at all harms nobody
    w->send_bytes(nonsense);
    EXPECT_FALSE(w->receive(seconds(5)));
  }
  w->hang_up();
  ASSERT_TRUE(w->connect());
  w->send(message::Adopt{});
  EXPECT_TRUE(w->expect<message::Hello>());
  EXPECT_EQ(pcr(10), Bytes(20, 0));

  w->send_bytes(Bytes{99});  // from the manager itself: the same end of the connection
  EXPECT_FALSE(w->receive(seconds(5)));
  EXPECT_EQ(pcr(10), Bytes(20, 0));
}

TEST_F(Serve, OffersAnOpenCommitToTheNextManager) {
  auto w = new_process();
  w->send(start_message(StartKind::PowerOn));
  auto commit = w->receive(seconds(60));
  ASSERT_TRUE(commit);
  w->hang_up();
  ASSERT_TRUE(w->connect());
  w->send(message::Adopt{});
  auto hello = w->expect<message::Hello>();
  ASSERT_TRUE(hello);
  EXPECT_TRUE(hello->commit_open);
  EXPECT_EQ(hello->epoch, 0u);
  auto again = w->receive();
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, *commit);
  store(*w, message::decode<message::Commit>(*again).value());
  EXPECT_TRUE(w->expect<message::Ready>());
  EXPECT_EQ(pcr(10), Bytes(20, 0));
}

}  // namespace
}  // namespace worker_test
