// SPDX-License-Identifier: MIT
// What the manager tells the service manager that started it, over a socket like systemd's.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "tests/system/stack.h"

namespace system_test {
namespace {

class Service : public ::testing::Test {
 protected:
  Service() {
    std::string path = stack_.directory() + "/notify";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path.c_str(), path.size() + 1);
    const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    EXPECT_EQ(::bind(socket_, generic, sizeof(address)), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    ::setenv("WATCHDOG_USEC", "200000", 1);
  }
  ~Service() override {
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("WATCHDOG_USEC");
    ::close(socket_);
    if (HasFailure()) std::cerr << stack_.log();
  }
  // Takes what has been said, up to the first message that is this one; whether it came in time.
  bool said(const std::string& wanted, int timeout_ms = 15'000) {
    return eventually(
        [&] {
          std::array<char, 256> text{};
          for (ssize_t n = 0; (n = ::recv(socket_, text.data(), text.size(), MSG_DONTWAIT)) > 0;) {
            if (std::string(text.data(), static_cast<size_t>(n)) == wanted) return true;
          }
          return false;
        },
        timeout_ms);
  }

  Stack stack_;
  int socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
};

TEST_F(Service, SaysReadyThenFeedsTheWatchdogThenSaysThatItStops) {
  stack_.start_manager();
  EXPECT_TRUE(said("READY=1"));
  auto begin = std::chrono::steady_clock::now();
  for (int n = 0; n < 5; n++) EXPECT_TRUE(said("WATCHDOG=1", 200)) << "within the period";
  EXPECT_GT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(300)) << "twice a period, not at once";
  ::kill(stack_.manager(), SIGTERM);
  EXPECT_TRUE(said("STOPPING=1"));
}

TEST_F(Service, DoesNotFeedTheWatchdogWhileItHangs) {
  stack_.start_manager();
  ASSERT_TRUE(said("WATCHDOG=1"));
  ::kill(stack_.manager(), SIGSTOP);
  while (said("WATCHDOG=1", 0)) continue;
  EXPECT_FALSE(said("WATCHDOG=1", 500));
  ::kill(stack_.manager(), SIGCONT);
  EXPECT_TRUE(said("WATCHDOG=1"));
}

TEST_F(Service, LeavesAWatchdogOfAnotherProcessAlone) {
  ::setenv("WATCHDOG_PID", "1", 1);
  stack_.start_manager();
  ::unsetenv("WATCHDOG_PID");
  EXPECT_TRUE(said("READY=1"));
  EXPECT_FALSE(said("WATCHDOG=1", 500));
}

TEST_F(Service, IsReadyOnlyWhenItHasFoundTheWorkersOfTheOneBefore) {
  unsigned domain = create_domain(fresh_uuid());
  Frontend frontend(stack_, domain);
  ASSERT_TRUE(frontend.connect());
  pid_t worker = stack_.worker_of(domain);
  ASSERT_GT(worker, 0);
  stack_.kill_manager();
  ::kill(worker, SIGSTOP);
  stack_.start_manager();
  EXPECT_FALSE(said("READY=1", 500)) << "the worker has not answered";
  ::kill(worker, SIGCONT);
  EXPECT_TRUE(said("READY=1", 5'000));
  EXPECT_EQ(stack_.worker_of(domain), worker);
  EXPECT_TRUE(frontend.tpm().pcr_read(0).ok());
}

}  // namespace
}  // namespace system_test
