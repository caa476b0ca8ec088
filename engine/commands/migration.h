// SPDX-License-Identifier: MIT
// What ordinary and certified migration have in common: the owner's approval of a destination (Part 3, 11.3).
#pragma once

#include "engine/state/migration_blob.h"

namespace tpm {

// SHA-1 over destination, scheme and tpmProof.
Digest approval_of(const Tpm& tpm, const MigrationKeyAuth& key_auth);
// AuthFail when this TPM's owner never approved this destination for this scheme.
Result<> check_approved(const Tpm& tpm, const MigrationKeyAuth& key_auth);

}  // namespace tpm
