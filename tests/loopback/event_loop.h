// SPDX-License-Identifier: MIT
// One epoll loop; each descriptor has one handler, told which events are ready.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <unordered_map>

#include "tests/loopback/types.h"

namespace loopback {

class EventLoop {
 public:
  using Handler = std::function<void(uint32_t events)>;

  static Result<std::unique_ptr<EventLoop>> make();

  // The descriptor stays the caller's, who calls drop() before closing it.
  Result<> watch(int fd, uint32_t events, Handler handler);
  void change(int fd, uint32_t events);
  void drop(int fd);

  // Until stop(), which any thread and a signal handler may call.
  void run();
  void stop();

 private:
  EventLoop(Fd epoll, Fd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)) {}

  Fd epoll_;
  Fd wake_;
  std::atomic<bool> stopping_ = false;
  std::unordered_map<int, std::shared_ptr<Handler>> handlers_;
};

}  // namespace loopback
