// SPDX-License-Identifier: MIT
// The manager in a driver domain, which may not ask the hypervisor: what it has to know comes from vtpm-domwatch in
// dom0.
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <map>
#include <thread>

#include "tests/system/saved_guest.h"

namespace system_test {
namespace {

using client::Digest;

class DriverDomain : public SavedGuest {
 protected:
  DriverDomain() {
    stack_.end_manager();
    driver_ = number(domain({"create"}));
    stack_.run_manager_in(driver_);
    watch();
  }
  ~DriverDomain() override {
    frontend_.reset();
    if (guest_ > 0) destroy_domain(guest_);
    EXPECT_TRUE(eventually([&] { return proof(guest_) == "none"; })) << "the next scenario would find it";
    destroy_domain(driver_);
  }
  size_t watchers() const {
    size_t n = 0;
    const std::string log = stack_.log();
    for (size_t at = 0; (at = log.find("vtpm-domwatch: watching", at)) != std::string::npos; at++) n++;
    return n;
  }
  void watch() {
    size_t before = watchers();
    watcher_.emplace(Words{program("vtpm-domwatch")}, stack_.directory() + "/log");
    EXPECT_TRUE(eventually([&] { return watchers() > before; }));
  }
  unsigned create() {
    return guest_ = number(domain({"create", "--vtpm", "backend=" + std::to_string(driver_) + ",uuid=" + uuid_}));
  }
  void measured_guest() {
    frontend_ = std::make_unique<Frontend>(stack_, create());
    ASSERT_TRUE(frontend_->connect());
    measured_ = measure(*frontend_);
  }
  unsigned back() { return guest_ = restored(); }
  std::string proof(unsigned guest) const {
    return node("/tool/vtpm/domain/" + std::to_string(guest)).value_or("none");
  }

  unsigned driver_ = 0, guest_ = 0;
  std::optional<Program> watcher_;
  std::unique_ptr<Frontend> frontend_;
  Digest measured_{};
};

TEST_F(DriverDomain, ServesAGuestAndARebootIsAPowerCycle) {
  measured_guest();
  EXPECT_EQ(proof(guest_), "runs new kernel");
  unsigned before = guest_;
  frontend_.reset();
  guest_ = number(domain({"reboot", std::to_string(guest_)}));
  expect_clean(guest_);
  EXPECT_TRUE(eventually([&] { return proof(before) == "none"; })) << "nothing is kept of a domain that is gone";
}

// What a guest is started from lies in dom0.
TEST_F(DriverDomain, NobodyIsMeasured) {
  ASSERT_TRUE(stack_.control({"create", uuid_, "--measure", "on"}).value("ok", false));
  frontend_ = std::make_unique<Frontend>(stack_, create());
  ASSERT_TRUE(frontend_->connect());
  EXPECT_NE(pcr(*frontend_, 4), Digest{});
  EXPECT_EQ(pcr(*frontend_, 4), pcr(*frontend_, 5)) << "the marker";
  EXPECT_NE(stack_.log().find("this is a driver domain"), std::string::npos);
  frontend_.reset();
  destroy_domain(guest_);
  ASSERT_TRUE(stack_.control({"set", uuid_, "--measure", "required"}).value("ok", false));
  frontend_ = std::make_unique<Frontend>(stack_, create());
  EXPECT_TRUE(happened("refused"));
}

TEST_F(DriverDomain, ASavedGuestGoesOn) {
  measured_guest();
  frontend_.reset();
  ASSERT_EQ(domain({"suspend", std::to_string(guest_), image()}).status, 0);
  Frontend frontend(stack_, back());
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(pcr(frontend), measured_);
  EXPECT_EQ(proof(guest_), "runs restored kernel");
}

// The toolstack closes the device while vtpm-domwatch has not looked yet.
TEST_F(DriverDomain, ASavedGuestGoesOnAlsoWhenItsSuspensionIsHeardOfLate) {
  measured_guest();
  frontend_.reset();
  ASSERT_EQ(::kill(watcher_->pid(), SIGSTOP), 0);
  EXPECT_EQ(domain({"halt", std::to_string(guest_)}).status, 0);
  const std::string back =
      "/local/domain/" + std::to_string(driver_) + "/backend/vtpm/" + std::to_string(guest_) + "/0";
  set_node(back + "/online", "0");
  set_node(back + "/state", "5");
  EXPECT_TRUE(eventually([&] { return node(back + "/state") == "6"; }));
  ASSERT_EQ(::kill(watcher_->pid(), SIGCONT), 0);
  EXPECT_TRUE(eventually([&] { return proof(guest_) == "suspend new kernel"; })) << proof(guest_);
  ASSERT_EQ(domain({"suspend", std::to_string(guest_), image()}).status, 0);
  Frontend frontend(stack_, this->back());
  ASSERT_TRUE(frontend.connect());
  EXPECT_EQ(pcr(frontend), measured_);
}

TEST_F(DriverDomain, ASavedGuestThatComesBackLookingNewIsMarked) {
  measured_guest();
  frontend_.reset();
  ASSERT_EQ(domain({"disguise", std::to_string(guest_)}).status, 0);
  ASSERT_EQ(domain({"suspend", std::to_string(guest_), image()}).status, 0);
  expect_marked(back());
}

TEST_F(DriverDomain, ACheckpointWithoutAManagerIsSeenAllTheSame) {
  measured_guest();
  stack_.end_manager();
  ASSERT_EQ(domain({"disguise", std::to_string(guest_)}).status, 0);
  ASSERT_EQ(domain({"halt", std::to_string(guest_)}).status, 0);
  ASSERT_TRUE(eventually([&] { return proof(guest_) == "suspend new new"; })) << proof(guest_);
  ASSERT_EQ(domain({"checkpoint", std::to_string(guest_), image()}).status, 0);
  ASSERT_TRUE(eventually([&] { return proof(guest_) == "runs new new"; })) << proof(guest_);
  stack_.run_manager_in(driver_);
  EXPECT_TRUE(happened("disguised"));
  EXPECT_EQ(pcr(*frontend_), measured_);
  frontend_.reset();
  destroy_domain(guest_);
  expect_marked(back());
}

// The toolstack lets no domain run before its devices are announced, so that its looks still prove something.
TEST_F(DriverDomain, NoGuestRunsBeforeTheProofIsThere) {
  watcher_.reset();
  std::thread toolstack([this] { create(); });
  EXPECT_TRUE(eventually([&] { return stack_.log().find("waits for what vtpm-domwatch") != std::string::npos; }));
  watch();
  toolstack.join();
  ASSERT_GT(guest_, 0U);
  EXPECT_EQ(proof(guest_), "runs new kernel");
  expect_clean(guest_);
}

TEST_F(DriverDomain, AnotherWatcherRemembersWhatTheFirstOneSaw) {
  measured_guest();
  watcher_.reset();
  watch();
  EXPECT_EQ(proof(guest_), "runs new kernel");
}

TEST_F(DriverDomain, OnlyTheDriverDomainMayReadAndOnlyDom0MayWrite) {
  measured_guest();
  const std::string path = "/tool/vtpm/domain/" + std::to_string(guest_);
  auto as = [&](unsigned who, Words words) {
    words.insert(words.begin(), {program("xen-loopback"), "exec", std::to_string(who), "--"});
    return run(words);
  };
  EXPECT_EQ(as(driver_, {"xenstore-read", path}).output, "runs new kernel");
  EXPECT_NE(as(guest_, {"xenstore-read", path}).status, 0);
  EXPECT_NE(as(driver_, {"xenstore-write", path, "suspend restored kernel"}).status, 0);
  EXPECT_NE(as(guest_, {"xenstore-write", path, "suspend restored kernel"}).status, 0);
}

TEST_F(DriverDomain, TheWatcherIsConfined) {
  measured_guest();
  const std::string mine = "/proc/" + std::to_string(watcher_->pid());
  std::ifstream in(mine + "/status");
  std::map<std::string, std::string> status;
  for (std::string line; std::getline(in, line);) {
    size_t colon = line.find(":\t");
    if (colon != std::string::npos) status[line.substr(0, colon)] = line.substr(colon + 2);
  }
  EXPECT_EQ(status["Seccomp"], "2");
  EXPECT_EQ(status["NoNewPrivs"], "1");
  EXPECT_EQ(status["CapEff"], "0000000000000000");
  EXPECT_EQ(status["CapPrm"], "0000000000000000");
  if (::geteuid() == 0) {
    EXPECT_EQ(status["Uid"], "65534\t65534\t65534\t65534");
  }
}

}  // namespace
}  // namespace system_test
