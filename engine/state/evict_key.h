// SPDX-License-Identifier: MIT
#pragma once

#include "engine/state/tpm.h"

namespace tpm {

// Takes a loaded key and the sessions opened for it out of the TPM. InvalidKeyHandle; KeyOwnerControl.
Result<> evict_key(Tpm& tpm, uint32_t handle);

}  // namespace tpm
