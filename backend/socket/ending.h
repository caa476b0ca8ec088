// SPDX-License-Identifier: MIT
// Ending: waits that SIGTERM and SIGINT cut short.
#pragma once

#include "backend/vault/durable.h"

namespace socketd {

class Ending {
 public:
  // From now on the two signals only end the waits below.
  Ending();

  bool asked() const { return wait(-1, 0, 0); }
  // Waits until poll() would report `events` of `fd`; true when the program is to end instead.
  bool before(int fd, short events) const { return wait(fd, events, -1); }

 private:
  bool wait(int fd, short events, int timeout_ms) const;
  vault::Fd signals_;
};

}  // namespace socketd
