// SPDX-License-Identifier: MIT
// The certificate of the endorsement key in NV, as its maker leaves it (PC Client Implementation for TPM 1.2, 7.4).
#pragma once

#include "engine/state/nv.h"

namespace tpm {

// Read by everybody without authorisation, written by nobody: bWriteDefine is set. While nvLocked is, nobody can
// define anything else there or release it (Part 3, 20.1, action 3).
NvArea certificate_area(View certificate);

}  // namespace tpm
