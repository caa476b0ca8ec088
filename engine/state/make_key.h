// SPDX-License-Identifier: MIT
// Making keys: the endorsement key, the storage root key, and those a parent wraps.
#pragma once

#include "engine/state/tpm.h"

namespace tpm {

// A 2048-bit storage-shaped key that only ever decrypts (Part 3, 14.1). Retry when the host cancelled.
Result<Key> make_endorsement_key(const Tpm& tpm, unsigned key_bits);

// Fills modulus and prime of a key whose parameters were checked before. Retry when the host cancelled.
Result<> generate_into(const Tpm& tpm, Key& key);

// RSA, a size this TPM makes (512 to 2048), two primes, exponent 65537 (Part 2, 10.1.1; Part 1, 31). BadKeyProperty.
Result<RsaKeyParms> check_rsa_parms(const KeyParms& parms);

}  // namespace tpm
