// SPDX-License-Identifier: MIT
// Keeper: a process that holds event channels which a suspension of the domain has ended. Linux (drivers/xen/evtchn.c,
// evtchn_unbind_from_user) stops whoever closes such a channel with BUG(): it has forgotten the interrupt, or has given
// the port to another device. So nobody closes one before the machine ends.
#pragma once

#include "frontend/stream.h"
#include "lib/xen/handle.h"

namespace frontend {

class Keeper {
 public:
  // The process waits until something is given to it, or this dies.
  static xen::Result<Keeper> start();
  // From now on closing `descriptor` here does not end what it refers to.
  xen::Result<> keep(int descriptor);

 private:
  explicit Keeper(Fd channel) : channel_(std::move(channel)) {}
  Fd channel_;
};

}  // namespace frontend
