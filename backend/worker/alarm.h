// SPDX-License-Identifier: MIT
// Alarm: a descriptor that becomes readable once, a given time after it was set.
#pragma once

#include <chrono>

#include "lib/base/fd.h"
#include "lib/xen/handle.h"

namespace backend {

class Alarm {
 public:
  static xen::Result<Alarm> create();

  int fd() const { return fd_.get(); }
  // Replaces an earlier one that has not gone off.
  void set(std::chrono::milliseconds after);
  // Once it has gone off: not readable until it is set again.
  void take();

 private:
  explicit Alarm(base::Fd fd) : fd_(std::move(fd)) {}
  base::Fd fd_;
};

}  // namespace backend
