// SPDX-License-Identifier: MIT
// What Seal, Sealx and UnBind store (Part 2, 9).
#pragma once

#include "engine/spec/pcr_structures.h"
#include "engine/spec/types.h"

namespace tpm {

// TPM_STORED_DATA and TPM_STORED_DATA12: the same fields after the first four bytes, a version against a tag and an
// entity type.
struct StoredData {
  uint32_t ver_or_tag = kVersion11;
  wire::SizedBytes seal_info;  // empty, PcrInfo or PcrInfoLong
  wire::SizedBytes enc_data;

  bool is_12() const { return (ver_or_tag >> 16) == static_cast<uint32_t>(StructureTag::StoredData12); }
  uint16_t entity_type() const { return static_cast<uint16_t>(ver_or_tag & 0xffff); }
};

struct SealedData {
  Payload payload = Payload::Seal;
  Secret auth;
  Secret tpm_proof;
  Digest stored_digest{};
  wire::SizedBytes data;
};


}  // namespace tpm
