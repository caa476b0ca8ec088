// SPDX-License-Identifier: MIT
#include "tests/loopback/store.h"

#include <gtest/gtest.h>

namespace loopback {
namespace {

constexpr DomId kGuest{5}, kOther{6}, kAbsent{9};

class StoreTest : public testing::Test {
 protected:
  // What an operation answered: 0 or its errno.
  template <class T>
  static int code(const Result<T>& result) {
    return result.ok() ? 0 : result.error().value;
  }
  Result<> write(DomId domain, const std::string& path, const std::string& value = "v") {
    return store.write({domain}, path, value);
  }
  std::string read(const std::string& path) {
    Result<Node> node = store.get({kDom0}, path);
    return node.ok() ? node.value().value : "(none)";
  }
  // A directory that the guest owns.
  void give_home() {
    ASSERT_EQ(code(store.make({kDom0}, "/home")), 0);
    ASSERT_EQ(code(store.set_permissions({kDom0}, "/home", {{kGuest}})), 0);
    events.clear();
  }

  std::vector<StoreEvent> events;
  Store store{[](DomId domain) { return domain != kAbsent; },
              [this](const StoreEvent& event) { events.push_back(event); }};
};

// ---- transactions ----

TEST_F(StoreTest, TransactionFailsWhenWhatItReadHasChanged) {
  ASSERT_EQ(code(write(kDom0, "/a")), 0);
  Transaction t;
  ASSERT_EQ(code(store.get({kDom0, &t}, "/a")), 0);
  ASSERT_EQ(code(store.write({kDom0, &t}, "/b", "1")), 0);
  ASSERT_EQ(code(write(kDom0, "/a", "changed")), 0);
  EXPECT_EQ(code(store.commit(kDom0, t)), EAGAIN);
  EXPECT_EQ(read("/b"), "(none)");
}

TEST_F(StoreTest, TransactionFailsWhenWhatItWroteHasChanged) {
  ASSERT_EQ(code(write(kDom0, "/a")), 0);
  Transaction t;
  ASSERT_EQ(code(store.write({kDom0, &t}, "/a", "mine")), 0);
  ASSERT_EQ(code(write(kDom0, "/a", "theirs")), 0);
  EXPECT_EQ(code(store.commit(kDom0, t)), EAGAIN);
  EXPECT_EQ(read("/a"), "theirs");
}

TEST_F(StoreTest, TransactionSurvivesChangesElsewhere) {
  ASSERT_EQ(code(write(kDom0, "/x/a")), 0);
  ASSERT_EQ(code(write(kDom0, "/y/a")), 0);
  Transaction t;
  ASSERT_EQ(code(store.write({kDom0, &t}, "/x/a", "mine")), 0);
  ASSERT_EQ(code(write(kDom0, "/y/a", "theirs")), 0);
  ASSERT_EQ(code(write(kDom0, "/y/new", "theirs")), 0);
  EXPECT_EQ(code(store.commit(kDom0, t)), 0);
  EXPECT_EQ(read("/x/a"), "mine");
}

TEST_F(StoreTest, TransactionFailsWhenAnAbsentNodeItLookedForAppears) {
  Transaction t;
  EXPECT_EQ(code(store.get({kDom0, &t}, "/a")), ENOENT);
  ASSERT_EQ(code(write(kDom0, "/a")), 0);
  EXPECT_EQ(code(store.commit(kDom0, t)), EAGAIN);
}

TEST_F(StoreTest, TransactionFailsWhenANodeItReadIsRemovedOrMadeAnew) {
  ASSERT_EQ(code(write(kDom0, "/a")), 0);
  Transaction t;
  ASSERT_EQ(code(store.get({kDom0, &t}, "/a")), 0);
  ASSERT_EQ(code(store.remove({kDom0}, "/a")), 0);
  ASSERT_EQ(code(write(kDom0, "/a")), 0);
  EXPECT_EQ(code(store.commit(kDom0, t)), EAGAIN);
}

TEST_F(StoreTest, OfTwoTransactionsThatCreateBelowOneParentOneFails) {
  Transaction first, second;
  ASSERT_EQ(code(store.write({kDom0, &first}, "/p", "")), 0);
  ASSERT_EQ(code(store.write({kDom0, &second}, "/q", "")), 0);
  EXPECT_EQ(code(store.commit(kDom0, first)), 0);
  EXPECT_EQ(code(store.commit(kDom0, second)), EAGAIN);
}

TEST_F(StoreTest, TransactionSeesItsOwnWritesAndNobodyElseDoes) {
  Transaction t;
  ASSERT_EQ(code(store.write({kDom0, &t}, "/a/b", "1")), 0);
  EXPECT_EQ(store.get({kDom0, &t}, "/a/b").value().value, "1");
  EXPECT_EQ(store.get({kDom0, &t}, "/a").value().children, std::vector<std::string>{"b"});
  EXPECT_EQ(read("/a"), "(none)");
  EXPECT_TRUE(events.empty());
  ASSERT_EQ(code(store.commit(kDom0, t)), 0);
  EXPECT_EQ(read("/a/b"), "1");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].path, "/a/b");
}

TEST_F(StoreTest, TransactionRemovesTrees) {
  ASSERT_EQ(code(write(kDom0, "/a/b/c")), 0);
  Transaction t;
  ASSERT_EQ(code(store.remove({kDom0, &t}, "/a/b")), 0);
  EXPECT_EQ(code(store.get({kDom0, &t}, "/a/b/c")), ENOENT);
  EXPECT_EQ(read("/a/b/c"), "v");
  ASSERT_EQ(code(store.commit(kDom0, t)), 0);
  EXPECT_EQ(read("/a/b/c"), "(none)");
  EXPECT_TRUE(store.get({kDom0}, "/a").value().children.empty());
}

// ---- permissions ----

TEST_F(StoreTest, AbsenceIsToldOnlyToThoseWhoMayLook) {
  ASSERT_EQ(code(write(kDom0, "/secret/a")), 0);
  EXPECT_EQ(code(store.get({kGuest}, "/secret/a")), EACCES);
  EXPECT_EQ(code(store.get({kGuest}, "/secret/none")), EACCES);
  ASSERT_EQ(code(store.set_permissions({kDom0}, "/secret", {{kDom0}, {kGuest, true}})), 0);
  EXPECT_EQ(code(store.get({kGuest}, "/secret/a")), EACCES);
  EXPECT_EQ(code(store.get({kGuest}, "/secret/none")), ENOENT);
}

TEST_F(StoreTest, ReadingWritingAndOwningAreDistinct) {
  ASSERT_EQ(code(write(kDom0, "/n")), 0);
  ASSERT_EQ(code(store.set_permissions({kDom0}, "/n", {{kDom0}, {kGuest, true}, {kOther, false, true}})), 0);
  EXPECT_EQ(code(store.get({kGuest}, "/n")), 0);
  EXPECT_EQ(code(write(kGuest, "/n")), EACCES);
  EXPECT_EQ(code(store.get({kOther}, "/n")), EACCES);
  EXPECT_EQ(code(write(kOther, "/n")), 0);
  EXPECT_EQ(code(store.set_permissions({kOther}, "/n", {{kOther}})), EACCES);
}

TEST_F(StoreTest, WhatADomainMakesItOwnsAndTheRestIsInherited) {
  ASSERT_EQ(code(store.make({kDom0}, "/shared")), 0);
  ASSERT_EQ(code(store.set_permissions({kDom0}, "/shared", {{kDom0}, {kGuest, true, true}, {kOther, true}})), 0);
  ASSERT_EQ(code(write(kGuest, "/shared/new")), 0);
  Permissions made = store.permissions({kDom0}, "/shared/new").value();
  ASSERT_EQ(made.size(), 3u);
  EXPECT_EQ(made[0].domain, kGuest);
  EXPECT_EQ(made[2].domain, kOther);
  EXPECT_TRUE(made[2].read);
  ASSERT_EQ(code(write(kDom0, "/shared/dom0s")), 0);
  EXPECT_EQ(store.permissions({kDom0}, "/shared/dom0s").value()[0].domain, kDom0);
}

TEST_F(StoreTest, OnlyDom0GivesANodeAway) {
  give_home();
  EXPECT_EQ(code(store.set_permissions({kGuest}, "/home", {{kGuest}, {kOther, true}})), 0);
  EXPECT_EQ(code(store.set_permissions({kGuest}, "/home", {{kOther}})), EPERM);
  EXPECT_EQ(code(store.set_permissions({kDom0}, "/home", {{kAbsent}})), ENOENT);
}

TEST_F(StoreTest, RemovalNeedsThePermissionToWrite) {
  ASSERT_EQ(code(write(kDom0, "/a/b")), 0);
  EXPECT_EQ(code(store.remove({kGuest}, "/a/b")), EACCES);
  EXPECT_EQ(code(store.remove({kDom0}, "/a/none")), 0);
  EXPECT_EQ(code(store.remove({kDom0}, "/none/none")), ENOENT);
  EXPECT_EQ(code(store.remove({kDom0}, "/")), EINVAL);
}

TEST_F(StoreTest, EverythingOfADomainGoesWithIt) {
  give_home();
  ASSERT_EQ(code(write(kGuest, "/home/a")), 0);
  ASSERT_EQ(code(write(kDom0, "/n")), 0);
  ASSERT_EQ(code(store.set_permissions({kDom0}, "/n", {{kDom0}, {kGuest, true}})), 0);
  store.forget_domain(kGuest);
  EXPECT_EQ(read("/home"), "(none)");
  EXPECT_EQ(read("/home/a"), "(none)");
  EXPECT_EQ(code(store.get({kGuest}, "/n")), EACCES);
}

// ---- events ----

TEST_F(StoreTest, RemovalTellsOfEveryNodeAndOfItsRootToThoseAbove) {
  ASSERT_EQ(code(write(kDom0, "/a/b/c")), 0);
  events.clear();
  ASSERT_EQ(code(store.remove({kDom0}, "/a/b")), 0);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].path, "/a/b/c");
  EXPECT_EQ(events[0].match, Match::Exact);
  EXPECT_EQ(events[1].path, "/a/b");
  EXPECT_EQ(events[1].match, Match::Subtree);
}

TEST_F(StoreTest, EventsReachThoseWhoMayOrMightReadOnly) {
  give_home();
  ASSERT_EQ(code(write(kGuest, "/home/a")), 0);
  EXPECT_TRUE(events.back().readable_by(kGuest));
  EXPECT_TRUE(events.back().readable_by(kDom0));
  EXPECT_FALSE(events.back().readable_by(kOther));
  ASSERT_EQ(code(store.set_permissions({kDom0}, "/home", {{kGuest}, {kOther, true}})), 0);
  ASSERT_EQ(code(store.set_permissions({kDom0}, "/home", {{kGuest}})), 0);
  EXPECT_TRUE(events.back().readable_by(kOther)) << "who loses a permission is told of that";
}

TEST_F(StoreTest, MakingWhatExistsIsNoEvent) {
  ASSERT_EQ(code(store.make({kDom0}, "/a")), 0);
  ASSERT_EQ(code(write(kDom0, "/a", "kept")), 0);
  events.clear();
  ASSERT_EQ(code(store.make({kDom0}, "/a")), 0);
  EXPECT_TRUE(events.empty());
  EXPECT_EQ(read("/a"), "kept");
}

// ---- quotas ----

TEST_F(StoreTest, NodesOfADomainAreLimited) {
  give_home();
  store.quota.nodes = 3;  // /home is one
  EXPECT_EQ(code(write(kGuest, "/home/a")), 0);
  EXPECT_EQ(code(write(kGuest, "/home/b/c")), ENOSPC);
  EXPECT_EQ(code(write(kGuest, "/home/b")), 0);
  EXPECT_EQ(code(write(kGuest, "/home/c")), ENOSPC);
  EXPECT_EQ(code(write(kGuest, "/home/a", "again")), 0);
  EXPECT_EQ(code(store.remove({kGuest}, "/home/a")), 0);
  EXPECT_EQ(code(write(kGuest, "/home/c")), 0);
}

TEST_F(StoreTest, NodesOfADomainAreLimitedAcrossTransactions) {
  give_home();
  store.quota.nodes = 2;
  Transaction t;
  EXPECT_EQ(code(store.write({kGuest, &t}, "/home/a", "")), 0);
  EXPECT_EQ(code(store.write({kGuest, &t}, "/home/b", "")), ENOSPC);
  EXPECT_EQ(code(store.remove({kGuest, &t}, "/home/a")), 0);
  EXPECT_EQ(code(store.write({kGuest, &t}, "/home/b", "")), 0);
}

TEST_F(StoreTest, SizeOfANodeIsLimitedForGuestsOnly) {
  give_home();
  EXPECT_EQ(code(write(kGuest, "/home/a", std::string(1900, 'x'))), 0);
  EXPECT_EQ(code(write(kGuest, "/home/a", std::string(2048, 'x'))), ENOSPC);
  EXPECT_EQ(code(write(kGuest, "/home/b", std::string(2048, 'x'))), ENOSPC);
  EXPECT_EQ(code(store.get({kDom0}, "/home/b")), ENOENT);
  EXPECT_EQ(code(write(kDom0, "/home/a", std::string(3000, 'x'))), 0);
}

TEST_F(StoreTest, PermissionsAndAccessesOfATransactionAreLimited) {
  give_home();
  EXPECT_EQ(code(store.set_permissions({kGuest}, "/home", Permissions(6, Permission{kGuest}))), ENOSPC);
  store.quota.transaction_nodes = 2;
  Transaction t;
  EXPECT_EQ(code(store.get({kGuest, &t}, "/home")), 0);
  EXPECT_EQ(code(store.get({kGuest, &t}, "/home/a")), ENOENT);
  EXPECT_EQ(code(store.get({kGuest, &t}, "/home/b")), ENOSPC);
  EXPECT_EQ(code(store.commit(kGuest, t)), ENOMEM);
}

// ---- paths ----

TEST(Canonical, TakesRelativePathsToTheCallersHome) {
  EXPECT_EQ(canonical("data/a", kGuest, false).value(), "/local/domain/5/data/a");
  EXPECT_EQ(canonical("/", kGuest, false).value(), "/");
}

TEST(Canonical, RefusesMalformedPaths) {
  for (const char* bad : {"", "/a/", "//", "/a//b", "/a b", "/\xff", "@releaseDomain", "/a\n"}) {
    EXPECT_FALSE(canonical(bad, kGuest, false).ok()) << bad;
  }
  EXPECT_TRUE(canonical("@releaseDomain", kGuest, true).ok());
  EXPECT_TRUE(canonical("/" + std::string(2047, 'a'), kGuest, false).ok());
  EXPECT_FALSE(canonical("/" + std::string(2048, 'a'), kGuest, false).ok());
  EXPECT_TRUE(canonical("/" + std::string(3071, 'a'), kDom0, false).ok());
  EXPECT_FALSE(canonical("/" + std::string(3072, 'a'), kDom0, false).ok());
}

}  // namespace
}  // namespace loopback
