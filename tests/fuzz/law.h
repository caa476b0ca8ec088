// SPDX-License-Identifier: MIT
// What a target asserts beside not crashing: a broken law ends the run as a crash does, with the input kept.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace fuzz {

inline void law(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "law broken: %s\n", what);
  abort();
}

}  // namespace fuzz
