// SPDX-License-Identifier: MIT
// Joins this domain's first vTPM in the plainest way, for programs that want its ring in their own hands.
#pragma once

#include "frontend/ring.h"

namespace system_test {

xen::Result<std::unique_ptr<frontend::Ring>> connect_ring();

}  // namespace system_test
