// SPDX-License-Identifier: MIT
// Processes of the host seen from outside: a handle on one, and signals to a whole family.
#pragma once

#include <sys/types.h>

#include "tests/loopback/types.h"

namespace loopback {

// Readable once the process has ended.
Fd open_process(pid_t pid);
bool ended(const Fd& pidfd);

// To the process and to everything descended from it, the process itself last.
void signal_family(pid_t pid, int signal);

// Kills and reaps everything that descends from this process, which is the parent of its orphans
// (PR_SET_CHILD_SUBREAPER).
void end_descendants();

}  // namespace loopback
