// SPDX-License-Identifier: MIT
// What the commands that sign a structure of the TPM's own have in common.
#pragma once

#include "engine/crypto/hash.h"
#include "engine/state/keys.h"

namespace tpm {

inline bool may_sign(KeyUsage usage) {
  return usage == KeyUsage::Signing || usage == KeyUsage::Identity || usage == KeyUsage::Legacy;
}

// The schemes whose signatures cover a SHA-1 digest only, so that no chosen text can pass for a structure of the TPM.
inline bool signs_structures(SigScheme scheme) {
  return scheme == SigScheme::RsassaPkcs1v15Sha1 || scheme == SigScheme::RsassaPkcs1v15Info;
}

// PKCS#1 v1.5 over the SHA-1 of the structure's wire form.
template <class T>
Result<wire::SizedBytes> signed_by(const Key& key, const T& structure) {
  auto signature = key.rsa->sign_sha1(crypto::sha1_of(structure));
  TRY(require(signature.has_value(), Rc::Fail));
  return wire::SizedBytes(std::move(*signature));
}

}  // namespace tpm
