// SPDX-License-Identifier: MIT
#pragma once

#include "engine/state/tpm.h"

namespace tpm {

// Runs every known-answer test; on a failure the TPM goes into failure mode. The result stands in the state.
void test_in_full(Tpm& tpm);

}  // namespace tpm
