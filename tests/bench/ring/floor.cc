// SPDX-License-Identifier: MIT
#include "tests/bench/ring/floor.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <vector>

namespace bench {

namespace {

using Clock = std::chrono::steady_clock;
constexpr int kWaitMs = 10'000;

void must(bool works) {
  if (!works) abort();
}
void ring(int fd) {
  uint64_t one = 1;
  must(write(fd, &one, sizeof(one)) == sizeof(one));
}
void take(int fd) {
  uint64_t count = 0;
  must(read(fd, &count, sizeof(count)) == sizeof(count));
}

int set_of(std::initializer_list<int> watched) {
  int set = epoll_create1(0);
  for (int fd : watched) {
    epoll_event event{};
    event.events = EPOLLIN;
    must(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0);
  }
  return set;
}

// As a worker: beside the guest's bell it waits for an alarm, and for the manager or another manager.
[[noreturn]] void back(int mine, int other) {
  int pair[2], listening[2];
  must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET, 0, listening) == 0);
  int alarm = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  int set = set_of({mine, alarm, set_of({pair[0], listening[0]})});
  for (;;) {
    std::array<epoll_event, 8> events;
    if (epoll_wait(set, events.data(), static_cast<int>(events.size()), -1) <= 0) continue;
    take(mine);
    ring(other);
  }
}

}  // namespace

void pin(int process, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(cpu), &set);
  must(sched_setaffinity(process, sizeof(set), &set) == 0);
}

int64_t ping_pong(int front_cpu, int back_cpu, int times) {
  int front_bell = eventfd(0, EFD_SEMAPHORE), back_bell = eventfd(0, EFD_SEMAPHORE);
  pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    back(back_bell, front_bell);
  }
  pin(child, back_cpu);
  pin(0, front_cpu);
  std::vector<int64_t> took;
  for (int i = 0; i < times; i++) {
    auto start = Clock::now();
    ring(back_bell);
    pollfd set{front_bell, POLLIN, 0};
    must(poll(&set, 1, kWaitMs) == 1);
    take(front_bell);
    took.push_back(std::chrono::nanoseconds(Clock::now() - start).count());
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(front_bell);
  close(back_bell);
  std::ranges::nth_element(took, took.begin() + times / 2);
  return took[static_cast<size_t>(times) / 2];
}

}  // namespace bench
