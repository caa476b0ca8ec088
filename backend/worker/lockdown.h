// SPDX-License-Identifier: MIT
// What a worker gives up before it looks at the first byte of a guest: file system, ids, capabilities, resources, and
// all system calls but those of syscalls.policy.
#pragma once

#include <sys/types.h>

#include "lib/xen/handle.h"

namespace backend {

enum class Where { Any, Xen, Loopback, San };

struct Confinement {
  // What the process becomes when it is root; without root it stays who it is, and says so in the log.
  uid_t uid;
  gid_t gid;
  Where host;  // Xen or Loopback
};

// Cannot be undone. An error leaves the process partly confined: it must end.
xen::Result<> lock_down(const Confinement& confinement);

// Which of the two an open event channel belongs to.
xen::Result<Where> host_of_event_channel(int fd);

}  // namespace backend
