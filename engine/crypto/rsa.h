// SPDX-License-Identifier: MIT
// RSA as TPM 1.2 uses it: keys given by modulus, exponent and one prime; OAEP with the label "TCPA".
#pragma once

#include <functional>
#include <memory>

#include "engine/spec/key_structures.h"
#include "engine/spec/rc.h"
#include "lib/base/secret.h"

struct evp_pkey_st;

namespace tpm::crypto {

// The public half, and the private one when it was made from a prime. Shared and never changed.
class RsaKey {
 public:
  // Modulus and public exponent big-endian; an empty exponent is 65537. Null when they are no RSA key.
  static std::shared_ptr<const RsaKey> from_public(View modulus, View exponent);
  // Null also when the prime does not divide the modulus.
  static std::shared_ptr<const RsaKey> from_prime(View modulus, View exponent, View prime);
  ~RsaKey();

  size_t bytes() const { return bytes_; }  // of the modulus

  // OAEP, SHA-1, MGF1, label "TCPA". BadDataSize-like: nothing when `plain` is too long.
  std::optional<Bytes> encrypt_oaep(View plain) const;
  std::optional<Bytes> encrypt_pkcs1(View plain) const;
  // Nothing when the bytes were not encrypted for this key in this way.
  std::optional<base::SecretBytes> decrypt_oaep(View cipher) const;
  std::optional<base::SecretBytes> decrypt_pkcs1(View cipher) const;
  // PKCS#1 v1.5 over a SHA-1 digest, with its DigestInfo.
  std::optional<Bytes> sign_sha1(const Digest& digest) const;
  // PKCS#1 v1.5 over bytes that the caller has encoded already.
  std::optional<Bytes> sign_der(View encoded) const;
  bool verify_sha1(const Digest& digest, View signature) const;
  // The bare modular exponentiation with the private exponent, for blobs that the TPM pads by itself.
  std::optional<base::SecretBytes> decrypt_raw(View cipher) const;
  std::optional<Bytes> encrypt_raw(View plain) const;

 private:
  RsaKey(evp_pkey_st* key, size_t bytes);
  static std::shared_ptr<const RsaKey> build(View modulus, View exponent, const View* prime);

  evp_pkey_st* key_;
  size_t bytes_;
};

struct GeneratedRsa {
  Bytes modulus;
  base::SecretBytes prime;
};

// A new key of `bits` with two primes. Retry when `cancelled` says so, BadKeyProperty when the exponent is unusable.
Result<GeneratedRsa> generate_rsa(unsigned bits, View exponent, const std::function<bool()>& cancelled);

}  // namespace tpm::crypto
