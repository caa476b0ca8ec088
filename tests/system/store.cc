// SPDX-License-Identifier: MIT
// lib/xen's Store and Domains against a XenStore daemon and a hypervisor's interface.
#include "lib/xen/store.h"

#include <gtest/gtest.h>
#include <poll.h>

#include "lib/xen/domains.h"
#include "tests/system/stack.h"

namespace system_test {
namespace {

using xen::Path;

class StoreTest : public ::testing::Test {
 protected:
  ~StoreTest() override { EXPECT_TRUE(store_.remove(kHere).ok()); }
  static xen::Store open() { return xen::Store::open().take(); }
  // Whether the next event within a second has the token; events of others before it are passed over.
  bool fires(const std::string& token) {
    return eventually(
        [&] {
          pollfd ready{.fd = store_.fd(), .events = POLLIN, .revents = 0};
          ::poll(&ready, 1, 50);
          auto event = store_.next_event();
          return event.ok() && event.value() && event.value()->token == token;
        },
        1000);
  }

  const Path kHere = "/test/store";
  xen::Store store_ = open();
};

TEST(Paths, AcceptWhatXenStoreAccepts) {
  for (const char* good : {"/", "/local/domain/0", "domid", "@releaseDomain", "a_b-c"})
    EXPECT_TRUE(Path::parse(good)) << good;
  for (const char* bad : {"", "/a/", "//a", "a//b", "/a b", "/a\n", "/\xc3\xa4", "/a.b"})
    EXPECT_FALSE(Path::parse(bad)) << bad;
  EXPECT_FALSE(Path::parse(std::string(3000, 'a')));
}

TEST(Paths, TellWhatIsBelow) {
  Path home = "/local/domain/1";
  EXPECT_EQ(Path("/local/domain/1/device/vtpm").below(home), (std::vector<std::string>{"device", "vtpm"}));
  EXPECT_EQ(home.below(home), std::vector<std::string>{});
  EXPECT_FALSE(Path("/local/domain/10/device").below(home)) << "another domain whose number begins alike";
}

TEST(Numbers, AreTheWholeText) {
  EXPECT_EQ(xen::number_in<uint16_t>("65535")->at_most(65535), 65535);
  for (const char* bad : {"", " 1", "1 ", "+1", "-1", "0x1", "65536", "1\n", "one"}) {
    EXPECT_FALSE(xen::number_in<uint16_t>(bad)) << bad;
  }
  EXPECT_FALSE(xen::number_in<uint16_t>("8")->within(1, 7));
}

TEST_F(StoreTest, ReadsWhatItWrites) {
  ASSERT_TRUE(store_.write(kHere / "a", "some text").ok());
  EXPECT_EQ(store_.read(kHere / "a").value(), "some text");
  EXPECT_EQ(store_.read(kHere / "b").error().number, ENOENT);
  EXPECT_EQ(store_.list(kHere).value(), std::vector<std::string>{"a"});
}

TEST_F(StoreTest, RefusesAnEmbeddedNul) {
  ASSERT_TRUE(store_.write(kHere / "a", std::string_view("1\0002", 3)).ok());
  EXPECT_EQ(store_.read(kHere / "a").error().number, EBADMSG);
  EXPECT_EQ(store_.read_number<uint32_t>(kHere / "a").error().number, EBADMSG);
}

TEST_F(StoreTest, WritesOnlyWhatIsStillThere) {
  auto written = store_.write_existing(kHere / "state", "4");
  ASSERT_TRUE(written.ok());
  EXPECT_FALSE(written.value());
  EXPECT_FALSE(store_.exists(kHere / "state").value()) << "a removed node was made anew";
  ASSERT_TRUE(store_.write(kHere / "state", "2").ok());
  EXPECT_TRUE(store_.write_existing(kHere / "state", "4").value());
  EXPECT_EQ(store_.read(kHere / "state").value(), "4");
}

TEST_F(StoreTest, TriesAConflictingTransactionAgain) {
  ASSERT_TRUE(store_.write(kHere / "count", "1").ok());
  xen::Store other = open();
  int attempts = 0;
  auto done = store_.transact([&](xen::Transaction& t) -> xen::Result<> {
    attempts++;
    std::string now = TRY(t.read(kHere / "count"));
    if (attempts <= 2) {
      EXPECT_TRUE(other.write(kHere / "count", now + "x").ok());
    }
    return t.write(kHere / "count", now + "!");
  });
  EXPECT_TRUE(done.ok());
  EXPECT_EQ(attempts, 3);
  EXPECT_EQ(store_.read(kHere / "count").value(), "1xx!");
}

TEST_F(StoreTest, GivesUpAfterFiveConflicts) {
  ASSERT_TRUE(store_.write(kHere / "count", "1").ok());
  xen::Store other = open();
  int attempts = 0;
  auto done = store_.transact([&](xen::Transaction& t) -> xen::Result<> {
    attempts++;
    TRY(t.read(kHere / "count"));
    EXPECT_TRUE(other.write(kHere / "count", std::to_string(attempts)).ok());
    return t.write(kHere / "count", "mine");
  });
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().number, EAGAIN);
  EXPECT_EQ(attempts, 5);
}

TEST_F(StoreTest, WatchesWhatIsNotThereYet) {
  auto watch = store_.watch(kHere / "later", "token");
  ASSERT_TRUE(watch.ok());
  EXPECT_TRUE(fires("token")) << "once at once";
  EXPECT_FALSE(fires("token"));
  ASSERT_TRUE(store_.write(kHere / "later/below", "1").ok());
  EXPECT_TRUE(fires("token"));
  ASSERT_TRUE(store_.remove(kHere / "later").ok());
  EXPECT_TRUE(fires("token"));
}

TEST_F(StoreTest, EndsAWatchWithItsOwner) {
  {
    auto watch = store_.watch(kHere / "a", "ended");
    ASSERT_TRUE(watch.ok());
    ASSERT_TRUE(store_.write(kHere / "a", "1").ok());
  }
  ASSERT_TRUE(store_.write(kHere / "a", "2").ok());
  EXPECT_FALSE(fires("ended"));
}

TEST(DomainsTest, TellsANewBootFromARestoredDomain) {
  auto domains = xen::Domains::open();
  ASSERT_TRUE(domains.ok());
  for (const char* type : {"pv", "pvh"}) {
    SCOPED_TRACE(type);
    Finished made = run({program("xen-loopback"), "domain", "create", "--type", type, "--paused"});
    ASSERT_EQ(made.status, 0);
    auto id = [](const Finished& f) { return xen::DomId(static_cast<uint16_t>(std::stoul(f.output))); };
    EXPECT_EQ(domains.value().boot_look(id(made)).value(), xen::BootLook::Fresh);
    ASSERT_EQ(run({program("xen-loopback"), "domain", "unpause", made.output}).status, 0);
    EXPECT_EQ(domains.value().boot_look(id(made)).value(), xen::BootLook::TooLate);
    std::string image = "/tmp/system-image-" + std::to_string(::getpid());
    ASSERT_EQ(run({program("xen-loopback"), "domain", "suspend", made.output, image}).status, 0);
    EXPECT_FALSE(domains.value().look(id(made)).value().has_value());
    Finished restored = run({program("xen-loopback"), "domain", "restore", image, "--paused"});
    ASSERT_EQ(restored.status, 0);
    EXPECT_EQ(domains.value().boot_look(id(restored)).value(), xen::BootLook::Restored);
    run({program("xen-loopback"), "domain", "destroy", restored.output});
    run({"rm", "-f", image});
  }
}

}  // namespace
}  // namespace system_test
