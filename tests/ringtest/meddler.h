// SPDX-License-Identifier: MIT
// Meddler: does something over and over, beside a case, for as long as it lives.
#pragma once

#include <atomic>
#include <thread>

namespace ringtest {

class Meddler {
 public:
  template <class F>
  explicit Meddler(F deed)
      : thread_([this, deed] {
          while (!ending_.load(std::memory_order_relaxed)) deed();
        }) {}
  Meddler(const Meddler&) = delete;
  Meddler& operator=(const Meddler&) = delete;
  ~Meddler() {
    ending_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> ending_ = false;
  std::thread thread_;
};

}  // namespace ringtest
