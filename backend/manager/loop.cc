// SPDX-License-Identifier: MIT
#include "backend/manager/loop.h"

#include <sys/epoll.h>

#include <array>
#include <cerrno>

#include "lib/base/verify.h"

namespace backend {

Loop::Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) { VERIFY(epoll_); }

void Loop::add(int fd, std::function<void()> readable) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  VERIFY(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0);
  readers_[fd] = std::make_shared<std::function<void()>>(std::move(readable));
}

void Loop::remove(int fd) {
  if (readers_.erase(fd) > 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void Loop::after(std::chrono::milliseconds delay, std::function<void()> call) {
  timers_.emplace(Clock::now() + delay, std::move(call));
}

int Loop::until_next_timer() const {
  if (timers_.empty()) return -1;
  auto left = std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
}

void Loop::call_timers() {
  auto now = Clock::now();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    auto call = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    call();
  }
}

void Loop::run(const std::function<void()>& between) {
  std::array<epoll_event, 32> events{};
  between();
  while (!stopped_) {
    int n = ::epoll_wait(epoll_.get(), events.data(), events.size(), until_next_timer());
    VERIFY(n >= 0 || errno == EINTR);
    for (int i = 0; i < n; i++) {
      auto at = readers_.find(events[static_cast<size_t>(i)].data.fd);
      if (at == readers_.end()) continue;
      auto reader = at->second;  // lives on while it removes itself
      (*reader)();
    }
    call_timers();
    between();
  }
}

}  // namespace backend
