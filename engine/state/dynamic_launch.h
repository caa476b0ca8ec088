// SPDX-License-Identifier: MIT
// The ends of a dynamic launch: TPM_HASH_START and TPM_HASH_END of the PC Client TIS 1.2, 11.3.2.
#pragma once

#include <memory>

#include "engine/state/tpm.h"

namespace tpm {

// `launch` becomes the hash that TPM_HASH_DATA goes into.
Result<> start_launch(Tpm& tpm, std::unique_ptr<Sha1Thread>& launch);
Result<> end_launch(Tpm& tpm, const Digest& measured);
// The result as it is; any failure puts the TPM into failure mode.
Result<> launch_failure(Tpm& tpm, Result<> result);

}  // namespace tpm
