// SPDX-License-Identifier: MIT
// Rivals: whoever else drives the same device of this domain. Two that share one device lose each other's answers.
#pragma once

#include <optional>
#include <string>

#include "frontend/stream.h"

namespace frontend {

// Who drives the device already and what to do about it, when it is the kernel's driver.
std::optional<std::string> kernel_driver_of(unsigned device);

// Only one process holds this at a time for a device of a domain. EBUSY: another one does.
xen::Result<Fd> lock_device(unsigned domain, unsigned device);

}  // namespace frontend
