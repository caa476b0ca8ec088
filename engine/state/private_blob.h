// SPDX-License-Identifier: MIT
// What the TPM keeps outside itself under secrets of its own: delegations and saved contexts. Both keys, contextKey and
// delegateKey of Part 2, 7.4, follow from tpmProof and change with it.
#pragma once

#include "engine/crypto/hash.h"

namespace tpm {

enum class BlobUse : uint8_t { Context = 1, Delegation = 2 };

// Encrypts or decrypts in place: AES-128-CTR from `iv` on.
void crypt_blob(const Secret& tpm_proof, BlobUse use, std::span<const uint8_t, 16> iv, std::span<uint8_t> data);

// HMAC with tpmProof over the blob while its integrity field is zero.
template <class Blob>
Digest integrity_of(const Secret& tpm_proof, Blob blob) {
  blob.integrity = {};
  return crypto::hmac_of(tpm_proof, blob);
}

template <class Blob>
bool intact(const Secret& tpm_proof, const Blob& blob) {
  return base::equal_constant_time(integrity_of(tpm_proof, blob), blob.integrity);
}

}  // namespace tpm
