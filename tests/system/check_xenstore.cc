// SPDX-License-Identifier: MIT
// vtpmctl check-xenstore at every stage of a connection: it finds nothing, and changes nothing.
#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "tests/system/stack.h"

namespace system_test {
namespace {

class CheckXenstore : public ::testing::Test {
 protected:
  ~CheckXenstore() override {
    if (stack_.manager() > 0) ::kill(stack_.manager(), SIGCONT);
  }
  // The manager sees nothing and writes nothing until let_go().
  void hold() { ::kill(stack_.manager(), SIGSTOP); }
  void let_go() { ::kill(stack_.manager(), SIGCONT); }

  bool backend_is(const char* state) const {
    return eventually([&] { return node(back_path(guest_) + "/state") == state; });
  }
  bool frontend_is(const char* state) const {
    return eventually([&] { return node(front_path(guest_) + "/state") == state; });
  }
  static void expect_clean(const char* when) {
    std::string before = run({"xenstore-ls", "-fp", "/"}).output;
    Finished checked = run({program("vtpmctl"), "check-xenstore"});
    EXPECT_EQ(checked.status, 0) << when << ":\n" << checked.output << "\n" << before;
    EXPECT_TRUE(checked.output.ends_with("all is as it has to be")) << checked.output;
  }
  void as_guest(const std::string& name, const std::string& value) const {
    run({program("xen-loopback"), "exec", std::to_string(guest_), "--", "xenstore-write", "device/vtpm/0/" + name,
         value});
  }

  Stack stack_;
  unsigned guest_ = 0;
};

TEST_F(CheckXenstore, IsContentFromBeginningToEnd) {
  expect_clean("before there is a device");
  stack_.kill_manager();
  std::thread toolstack([] { create_domain(fresh_uuid()); });
  ASSERT_TRUE(eventually([this] {
    std::string domain = run({"xenstore-list", "/local/domain/0/backend/vtpm"}).output;
    if (!domain.empty()) guest_ = static_cast<unsigned>(std::stoul(domain));
    return guest_ > 0;
  }));
  EXPECT_EQ(node(back_path(guest_) + "/state"), "1");
  expect_clean("the toolstack has announced it, and there is no manager");
  stack_.start_manager();
  toolstack.join();
  ASSERT_TRUE(backend_is("2"));
  expect_clean("InitWait");
  hold();
  {
    Frontend frontend(stack_, guest_);
    ASSERT_TRUE(frontend_is("3"));
    expect_clean("the frontend is Initialised");
    let_go();
    ASSERT_TRUE(frontend.connect());
    ASSERT_TRUE(frontend_is("4"));
    ASSERT_TRUE(backend_is("4"));
    expect_clean("Connected");
    hold();
    std::thread unloading([&] { frontend.unload(); });
    ASSERT_TRUE(frontend_is("5"));
    expect_clean("the frontend is closing");
    let_go();
    unloading.join();
  }
  ASSERT_TRUE(backend_is("6"));
  expect_clean("closed");
  {
    Frontend again(stack_, guest_);
    ASSERT_TRUE(again.connect());
    expect_clean("connected again");
  }
  destroy_domain(guest_);
  expect_clean("destroyed");
}

// Linux's driver does not wait for the backend, nor write 1 before it comes back; its nodes are written by stock tools.
TEST_F(CheckXenstore, IsContentWithTheNodesOfTheStockDriver) {
  guest_ = create_domain(fresh_uuid());
  hold();
  as_guest("ring-ref", "8");
  as_guest("event-channel", "8");
  as_guest("feature-protocol-v2", "1");
  as_guest("state", "3");
  expect_clean("a ring is offered");
  as_guest("state", "5");
  expect_clean("and taken back");
  as_guest("state", "6");
  expect_clean("and closed");
  let_go();
  as_guest("state", "3");
  ASSERT_TRUE(eventually([this] { return node(error_path(guest_)).has_value(); }));
  ASSERT_TRUE(backend_is("6"));
  expect_clean("the ring was none, and the error stands");
  run({program("xen-loopback"), "exec", std::to_string(guest_), "--", "xenstore-write", "error/device/vtpm/0/error",
       "22 vTPM protocol 2 required"});
  expect_clean("the driver has an error, too");
}

TEST_F(CheckXenstore, IsContentWithOrders) {
  guest_ = create_domain(fresh_uuid());
  hold();
  set_node(back_path(guest_) + "/control/log-level", "7");
  set_node(back_path(guest_) + "/control/power-cycle", "1");
  expect_clean("orders are given");
  let_go();
  ASSERT_TRUE(eventually([this] {
    return !node(back_path(guest_) + "/control/log-level") && node(back_path(guest_) + "/info/control").has_value();
  }));
  expect_clean("orders are taken");
}

TEST_F(CheckXenstore, IsContentWhileADeviceIsTakenAwayFromAHungBackend) {
  guest_ = create_domain(fresh_uuid());
  Frontend frontend(stack_, guest_);
  ASSERT_TRUE(frontend.connect());
  hold();
  std::thread toolstack([this] { destroy_domain(guest_); });
  ASSERT_TRUE(backend_is("5"));
  EXPECT_EQ(node(back_path(guest_) + "/online"), "0");
  expect_clean("destroyed, and the backend has not answered");
  let_go();
  toolstack.join();
  expect_clean("gone");
}

TEST_F(CheckXenstore, IsContentWithADriverDomain) {
  stack_.end_manager();
  unsigned driver = static_cast<unsigned>(std::stoul(run({program("xen-loopback"), "domain", "create"}).output));
  stack_.run_manager_in(driver);
  {
    Program watcher({program("vtpm-domwatch")}, stack_.directory() + "/log");
    guest_ = static_cast<unsigned>(std::stoul(run({program("xen-loopback"), "domain", "create", "--vtpm",
                                                   "backend=" + std::to_string(driver) + ",uuid=" + fresh_uuid()})
                                                  .output));
    Frontend frontend(stack_, guest_);
    ASSERT_TRUE(frontend.connect());
    expect_clean("seen from dom0");
    Finished there =
        run({program("xen-loopback"), "exec", std::to_string(driver), "--", program("vtpmctl"), "check-xenstore"});
    EXPECT_EQ(there.output, "devices: 1; all is as it has to be");
    EXPECT_EQ(there.status, 0);
  }
  destroy_domain(guest_);
  run({"xenstore-rm", "/tool/vtpm"});  // its watcher was ended before it could
  expect_clean("gone");
  destroy_domain(driver);
}

TEST_F(CheckXenstore, OnlyReads) {
  guest_ = create_domain(fresh_uuid());
  ASSERT_TRUE(backend_is("2"));
  hold();
  set_node(back_path(guest_) + "/stray", "1");
  std::string before = run({"xenstore-ls", "-fp", "/"}).output;
  EXPECT_EQ(run({program("vtpmctl"), "check-xenstore"}).status, 1);
  EXPECT_EQ(run({"xenstore-ls", "-fp", "/"}).output, before);
}

}  // namespace
}  // namespace system_test
