// SPDX-License-Identifier: MIT
// WatchSet: descriptors that are waited for together, again and again. The kernel keeps the set, so that a wait costs
// the same however many there are; and no wait needs a time limit, which would be a timer set and cleared each time.
#pragma once

#include <array>
#include <cstddef>

#include "lib/base/fd.h"
#include "lib/xen/handle.h"

namespace backend {

class WatchSet {
 public:
  static xen::Result<WatchSet> create();

  // Readable when one of the set is: a set can be in another one.
  int fd() const { return fd_.get(); }
  // To be removed before it is closed: another process may have the same file open.
  xen::Result<> add(int fd);
  void remove(int fd);

  // Those that can be read, or have ended.
  class Ready {
   public:
    bool has(int fd) const;

   private:
    friend WatchSet;
    static constexpr size_t kMost = 8;  // the others are told of by the next wait
    std::array<int, kMost> fds_;
    size_t n_ = 0;
  };
  // At least one, unless timeout_ms have passed or a signal came; for ever when that is negative.
  Ready wait(int timeout_ms) const;

 private:
  explicit WatchSet(base::Fd fd) : fd_(std::move(fd)) {}
  base::Fd fd_;
};

}  // namespace backend
