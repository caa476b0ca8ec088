// SPDX-License-Identifier: MIT
// Key structures (Part 2, 10, and 5.8-5.11 for their fields).
#pragma once

#include "engine/spec/pcr_structures.h"
#include "engine/spec/types.h"

namespace tpm {

enum class Algorithm : uint32_t {
  Rsa = 1,
  Sha = 4,
  Hmac = 5,
  Aes128 = 6,
  Mgf1 = 7,
  Aes192 = 8,
  Aes256 = 9,
  Xor = 10,
};

enum class KeyUsage : uint16_t {
  Signing = 0x0010,
  Storage = 0x0011,
  Identity = 0x0012,
  AuthChange = 0x0013,
  Bind = 0x0014,
  Legacy = 0x0015,
  Migrate = 0x0016,
};

enum class AuthDataUsage : uint8_t { Never = 0x00, Always = 0x01, PrivUseOnly = 0x03 };

enum class EncScheme : uint16_t {
  None = 1,
  RsaesPkcs1v15 = 2,
  RsaesOaepSha1Mgf1 = 3,
  SymCtr = 4,
  SymOfb = 5,
};

enum class SigScheme : uint16_t {
  None = 1,
  RsassaPkcs1v15Sha1 = 2,
  RsassaPkcs1v15Der = 3,
  RsassaPkcs1v15Info = 4,
};

// TPM_KEY_FLAGS (Part 2, 5.10).
inline constexpr uint32_t kRedirection = 0x01;
inline constexpr uint32_t kMigratable = 0x02;
inline constexpr uint32_t kIsVolatile = 0x04;
inline constexpr uint32_t kPcrIgnoredOnRead = 0x08;
inline constexpr uint32_t kMigrateAuthority = 0x10;
inline constexpr uint32_t kKeyFlags = 0x1f;

struct RsaKeyParms {
  uint32_t key_bits = 2048;
  uint32_t n_primes = 2;
  wire::SizedBytes exponent;  // empty: 65537
};

struct KeyParms {
  Algorithm algorithm = Algorithm::Rsa;
  EncScheme enc_scheme = EncScheme::None;
  SigScheme sig_scheme = SigScheme::None;
  wire::SizedBytes parms;  // RsaKeyParms for RSA
};

// TPM_KEY and TPM_KEY12: they differ in the first four bytes only, a version against a tag and a filler.
struct KeyBlob {
  uint32_t ver_or_tag = kVersion11;
  KeyUsage usage{};
  uint32_t flags = 0;
  AuthDataUsage auth_data_usage = AuthDataUsage::Always;
  KeyParms parms;
  wire::SizedBytes pcr_info;  // empty, PcrInfo (TPM_KEY) or PcrInfoLong (TPM_KEY12)
  wire::SizedBytes pub_key;   // modulus
  wire::SizedBytes enc_data;  // StoreAsymKey under the parent

  bool is_key12() const { return (ver_or_tag >> 16) == static_cast<uint32_t>(StructureTag::Key12); }
  bool migratable() const { return (flags & kMigratable) != 0; }
  bool has_flag(uint32_t flag) const { return (flags & flag) != 0; }
};

struct PubKey {
  KeyParms parms;
  wire::SizedBytes key;  // modulus
};

// TPM_STORE_ASYMKEY: what the parent's public key encrypts.
struct StoreAsymKey {
  Payload payload = Payload::Asym;
  Secret usage_auth;
  Secret migration_auth;
  Digest pub_data_digest{};
  wire::SizedBytes prime;  // p; wiped by its allocator
};

}  // namespace tpm
