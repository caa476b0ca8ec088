// SPDX-License-Identifier: MIT
// Loop: one thread, descriptors that become readable, and timers.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>

#include "backend/vault/durable.h"

namespace backend {

using Clock = std::chrono::steady_clock;

class Loop {
 public:
  Loop();
  // Calls `readable` whenever fd can be read or is broken. It must take a call too many: fd may be found empty.
  void add(int fd, std::function<void()> readable);
  // Before the descriptor is closed. Its callback is not called any more, even when it is the one that runs.
  void remove(int fd);
  // Calls once. Whoever dies before must make the call harmless.
  void after(std::chrono::milliseconds delay, std::function<void()> call);
  // Until stop(). `between` is called after each round of callbacks.
  void run(const std::function<void()>& between);
  void stop() { stopped_ = true; }

 private:
  void call_timers();
  int until_next_timer() const;

  vault::Fd epoll_;
  std::map<int, std::shared_ptr<std::function<void()>>> readers_;
  std::multimap<Clock::time_point, std::function<void()>> timers_;
  bool stopped_ = false;
};

}  // namespace backend
