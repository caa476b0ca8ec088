// SPDX-License-Identifier: MIT
// Structures of direct anonymous attestation (Part 2, 22).
#pragma once

#include "engine/spec/types.h"

namespace tpm {

// Part 2, 22.1 and 22.2: sizes in bytes, and the powers of two that long numbers are cut at.
inline constexpr size_t kDaaR0Bytes = 43, kDaaR1Bytes = 43, kDaaR2Bytes = 128, kDaaR3Bytes = 168, kDaaR4Bytes = 219;
inline constexpr size_t kDaaV0Bytes = 128, kDaaV1Bytes = 192, kDaaNeBytes = 256, kDaaWBytes = 256;
inline constexpr size_t kDaaModulusBytes = 256;
inline constexpr unsigned kDaaPower0 = 104, kDaaPower1 = 1024;

// Public settings of an issuer: digests of its parameters.
struct DaaIssuer {
  StructureTag tag = StructureTag::DaaIssuer;
  Digest digest_r0{};
  Digest digest_r1{};
  Digest digest_s0{};
  Digest digest_s1{};
  Digest digest_n{};
  Digest digest_gamma{};
  std::array<uint8_t, 26> generic_q{};
};

// What ties a TPM to an issuer; kept outside, encrypted.
struct DaaTpm {
  StructureTag tag = StructureTag::DaaTpm;
  Digest digest_issuer{};
  Digest digest_v0{};
  Digest digest_v1{};
  Digest rekey{};
  uint32_t count = 0;
};

// TPM_DAA_CONTEXT.
struct DaaContext {
  Digest digest_context{};
  Digest digest{};
  Secret context_seed;
  wire::SizedBytes scratch;  // empty: null; wiped by its allocator
  uint8_t stage = 0;
};

struct DaaJoinData {
  base::Secret<128> u0;
  base::Secret<138> u1;
  Digest digest_n0{};
};

struct DaaBlob {
  StructureTag tag = StructureTag::DaaBlob;
  ResourceType type{};
  std::array<uint8_t, 16> label{};
  Digest integrity{};
  wire::SizedBytes additional;
  wire::SizedBytes sensitive;  // DaaSensitive, encrypted
};

struct DaaSensitive {
  StructureTag tag = StructureTag::DaaSensitive;
  wire::SizedBytes internal;
};

}  // namespace tpm
