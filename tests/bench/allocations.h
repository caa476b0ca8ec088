// SPDX-License-Identifier: MIT
// How often this program, and the libraries in it, have asked the C library for memory.
#pragma once

#include <cstdint>

namespace bench {

uint64_t allocations();

}  // namespace bench
