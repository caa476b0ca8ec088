// SPDX-License-Identifier: MIT
// What a target asserts beside not crashing: a broken law ends the run as a crash does, with the input kept.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace fuzz {

inline void law(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "law broken: %s\n", what);
  abort();
}

// A response of n bytes stands there: tag, size, code.
inline bool response_at(const uint8_t* at, uint32_t n) {
  uint32_t size = uint32_t{at[2]} << 24 | uint32_t{at[3]} << 16 | uint32_t{at[4]} << 8 | at[5];
  return at[0] == 0 && at[1] >= 0xc4 && at[1] <= 0xc6 && size == n;
}

}  // namespace fuzz
