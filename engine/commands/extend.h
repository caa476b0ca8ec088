// SPDX-License-Identifier: MIT
#pragma once

#include "engine/dispatch/call.h"

namespace tpm {

// The actions of TPM_Extend (Part 3, 16.1): the new value of the PCR, or zeros from a TPM that is off. BadIndex,
// BadLocality.
Result<Digest> extend_pcr(Call& call, uint32_t pcr, const Digest& event);

}  // namespace tpm
