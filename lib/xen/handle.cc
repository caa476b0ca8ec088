// SPDX-License-Identifier: MIT
#include "lib/xen/handle.h"

#include <cstring>

namespace xen {

std::string SysError::text() const {
  const char* reason = strerrordesc_np(number);  // null for a number that is no errno
  return std::string(what) + ": " + (reason != nullptr ? reason : "unknown error");
}

}  // namespace xen
