// SPDX-License-Identifier: MIT
// A machine running in a thread of the test; the test plays any domain, by opening its handles as that domain.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "tests/loopback/environment.h"
#include "tests/loopback/machine.h"
#include "tests/loopback/preload/connection.h"
#include "tests/loopback/sockets.h"

namespace loopback {

class MachineTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/loopback-test.XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    auto machine = Machine::boot(directory_);
    ASSERT_TRUE(machine.ok());
    machine_ = std::move(machine).take();
    thread_ = std::thread([this] { machine_->run(); });
    as(kDom0);
  }

  void TearDown() override {
    machine_->stop();
    thread_.join();
    machine_.reset();
    std::filesystem::remove_all(directory_);
  }

  // Handles opened from now on are that domain's.
  void as(DomId domain) const {
    Environment environment = environment_of(directory_, domain);
    environment.erase("LD_PRELOAD");
    enter(environment);
  }

  // A running domain without any XenStore node.
  DomId new_domain() {
    as(kDom0);
    Connection hypervisor;
    EXPECT_TRUE(hypervisor.open());
    Request create = request(Op::CreateDomain);
    Reply reply;
    int fds[2];
    EXPECT_EQ(hypervisor.call(create, -1, reply, fds), 0);
    Request unpause = request(Op::UnpauseDomain);
    unpause.domain = reply.a;
    EXPECT_EQ(hypervisor.call(unpause), 0);
    return DomId(static_cast<uint16_t>(reply.a));
  }

  int control(Op op, DomId domain, uint32_t argument = 0) {
    as(kDom0);
    Connection hypervisor;
    EXPECT_TRUE(hypervisor.open());
    Request control = request(op);
    control.domain = raw(domain);
    control.a = argument;
    return hypervisor.call(control);
  }

  static bool readable(int fd, int ms = 2000) {
    pollfd state{.fd = fd, .events = POLLIN, .revents = 0};
    return poll(&state, 1, ms) == 1 && (state.revents & POLLIN) != 0;
  }

  std::string directory_;

 private:
  std::unique_ptr<Machine> machine_;
  std::thread thread_;
};

}  // namespace loopback
