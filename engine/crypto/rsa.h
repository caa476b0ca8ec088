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

// The public half, and the private one when it was made from a prime. Shared; what it is never changes. The numbers
// that only private operations need are computed by the first of them: many a key is loaded and not used.
class RsaKey {
 public:
  // Modulus and public exponent big-endian; an empty exponent is 65537. Null when they are no RSA key.
  static std::shared_ptr<const RsaKey> from_public(View modulus, View exponent);
  // Null also when the prime does not divide the modulus, or the exponent has no inverse. That both factors are prime
  // is not checked: where they are not, private operations give nothing.
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
  struct Numbers;
  RsaKey(std::unique_ptr<Numbers> numbers, size_t bytes);
  // Null: the numbers are no key.
  evp_pkey_st* public_key() const;
  evp_pkey_st* private_key() const;

  mutable std::unique_ptr<Numbers> numbers_;  // until they are in key_
  mutable evp_pkey_st* key_ = nullptr;
  mutable bool key_is_private_ = false;
  size_t bytes_;
};

struct GeneratedRsa {
  Bytes modulus;
  base::SecretBytes prime;
};

// A new key of `bits` with two primes. Retry when `cancelled` says so, BadKeyProperty when the exponent is unusable.
Result<GeneratedRsa> generate_rsa(unsigned bits, View exponent, const std::function<bool()>& cancelled);

}  // namespace tpm::crypto
