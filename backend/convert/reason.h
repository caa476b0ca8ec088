// SPDX-License-Identifier: MIT
// Why a state of another program is not taken over, for people.
#pragma once

#include <string>
#include <type_traits>

#include "lib/base/result.h"

namespace convert {

struct Reason {
  std::string text;
};
template <class T = void>
using Result = base::Result<T, Reason>;

inline Result<> require(bool holds, const char* otherwise) {
  if (!holds) return Reason{otherwise};
  return {};
}

}  // namespace convert
