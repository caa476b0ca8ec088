// SPDX-License-Identifier: MIT
// Ending: whether SIGTERM or SIGINT has come.
#pragma once

#include "backend/vault/durable.h"

namespace socketd {

class Ending {
 public:
  // From now on the two signals only show here.
  Ending();

  bool asked() const;
  // Readable from the moment that asked() is true.
  int fd() const { return signals_.get(); }

 private:
  vault::Fd signals_;
};

}  // namespace socketd
