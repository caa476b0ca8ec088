// SPDX-License-Identifier: MIT
// Privileges: what set-up needs and service does not.
#pragma once

#include <string>

#include "lib/xen/handle.h"

namespace frontend {

// Becomes that user, with its groups and without capabilities, for good. EACCES: the user may not open the devices that
// a new connection needs.
xen::Result<> become(const std::string& user);

}  // namespace frontend
