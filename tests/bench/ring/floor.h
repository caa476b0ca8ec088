// SPDX-License-Identifier: MIT
// What no ring can go below: two processes that wake each other by eventfds and wait as the ring's two halves do.
#pragma once

#include <cstdint>

namespace bench {

// The median of `times` round trips in nanoseconds, the two processes on these CPUs.
int64_t ping_pong(int front_cpu, int back_cpu, int times);

void pin(int process, int cpu);

}  // namespace bench
