// SPDX-License-Identifier: MIT
// Neighbour: a guest that sends one command after the other all the while, and counts what became of them.
#pragma once

#include <atomic>
#include <thread>

#include "tests/system/stack.h"

namespace system_test {

class Neighbour {
 public:
  explicit Neighbour(const Stack& stack) : frontend_(stack, create_domain(fresh_uuid())) {
    if (!frontend_.connect()) return;
    thread_ = std::thread([this] {
      while (!stop_) (frontend_.tpm().extend(16, client::kWellKnown).ok() ? answered_ : unanswered_)++;
    });
  }
  Neighbour(const Neighbour&) = delete;
  Neighbour& operator=(const Neighbour&) = delete;
  ~Neighbour() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

  bool connected() const { return thread_.joinable(); }
  int unanswered() const { return unanswered_; }
  // Whether a few more commands are answered, from now on.
  bool works() const {
    int before = answered_;
    return eventually([&] { return answered_ > before + 3; });
  }

 private:
  Frontend frontend_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> answered_ = 0, unanswered_ = 0;
  std::thread thread_;
};

}  // namespace system_test
