// SPDX-License-Identifier: MIT
#include "lib/xen/handle.h"

#include <cstring>

namespace xen {

std::string SysError::text() const { return std::string(what) + ": " + strerrordesc_np(number); }

}  // namespace xen
