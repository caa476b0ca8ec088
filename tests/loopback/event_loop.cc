// SPDX-License-Identifier: MIT
#include "tests/loopback/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>

namespace loopback {

Result<std::unique_ptr<EventLoop>> EventLoop::make() {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  Fd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll.open() || !wake.open()) return last_error();
  std::unique_ptr<EventLoop> loop(new EventLoop(std::move(epoll), std::move(wake)));
  TRY(loop->watch(loop->wake_.get(), EPOLLIN, [](uint32_t) {}));
  return loop;
}

Result<> EventLoop::watch(int fd, uint32_t events, Handler handler) {
  epoll_event event{.events = events, .data = {.fd = fd}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return last_error();
  handlers_[fd] = std::make_shared<Handler>(std::move(handler));
  return {};
}

void EventLoop::change(int fd, uint32_t events) {
  epoll_event event{.events = events, .data = {.fd = fd}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void EventLoop::drop(int fd) {
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  handlers_.erase(fd);
}

void EventLoop::run() {
  std::array<epoll_event, 64> ready{};
  while (!stopping_.load()) {
    int n = epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), -1);
    for (int i = 0; i < n && !stopping_.load(); i++) {
      const epoll_event& event = ready.at(static_cast<size_t>(i));
      // A handler may drop itself or others: hold it while it runs, and look each one up anew.
      auto at = handlers_.find(event.data.fd);
      if (at == handlers_.end()) continue;
      std::shared_ptr<Handler> handler = at->second;
      (*handler)(event.events);
    }
  }
}

void EventLoop::stop() {
  stopping_.store(true);
  uint64_t one = 1;
  static_cast<void>(!write(wake_.get(), &one, sizeof(one)));
}

}  // namespace loopback
