// SPDX-License-Identifier: MIT
// What a worker gives up before it looks at the first byte of a guest: file system, ids, capabilities, resources, and
// all system calls but those of syscalls.policy.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>

#include "lib/xen/handle.h"

namespace backend {

enum class Where { Any, Xen, Loopback, San };

// A line of a policy.
struct Allowed {
  const char* name;
  int number;
  Where where;
  bool conditional;
  unsigned argument;
  uint64_t mask, value;
};

struct Confinement {
  // What the process becomes when it is root; without root it stays who it is, and says so in the log.
  uid_t uid;
  gid_t gid;
  Where host;  // Xen or Loopback
};

// Cannot be undone. An error leaves the process partly confined: it must end. Of the calls only those of the worker's
// policy are left, or those given; every thread is bound by it.
xen::Result<> lock_down(const Confinement& confinement);
xen::Result<> lock_down(const Confinement& confinement, std::span<const Allowed> calls);

// Which of the two an open device of Xen belongs to.
xen::Result<Where> host_of(int device);

}  // namespace backend
