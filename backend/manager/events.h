// SPDX-License-Identifier: MIT
// Events: what an administrator may want to know when it happens. The newest are kept; whoever listens gets each.
#pragma once

#include <cstdint>
#include <ctime>
#include <deque>
#include <functional>
#include <string>

#include "backend/vault/vault.h"
#include "lib/base/log.h"

namespace backend {

struct AdminEvent {
  uint64_t number = 0;  // counts from 1 since the manager started
  uint64_t time = 0;    // seconds since 1970
  base::Level level = base::Level::Info;
  const char* kind = "";  // one word, for programs
  vault::Uuid uuid{};     // zero: of no instance
  std::string device;     // "3/0"; empty: of no device
  std::string text;
};

class Events {
 public:
  void tell(AdminEvent event) {
    event.number = ++told_;
    event.time = static_cast<uint64_t>(::time(nullptr));
    kept_.push_back(event);
    if (kept_.size() > kKept) kept_.pop_front();
    if (listener_) listener_(event);
  }
  void listen(std::function<void(const AdminEvent&)> listener) { listener_ = std::move(listener); }
  const std::deque<AdminEvent>& kept() const { return kept_; }

 private:
  static constexpr size_t kKept = 256;
  uint64_t told_ = 0;
  std::deque<AdminEvent> kept_;
  std::function<void(const AdminEvent&)> listener_;
};

}  // namespace backend
