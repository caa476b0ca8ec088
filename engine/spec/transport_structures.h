// SPDX-License-Identifier: MIT
// Transport sessions (Part 2, 13).
#pragma once

#include "engine/spec/other_structures.h"

namespace tpm {

// TPM_TRANSPORT_ATTRIBUTES.
inline constexpr uint32_t kTransportEncrypt = 1u << 0;
inline constexpr uint32_t kTransportLog = 1u << 1;
inline constexpr uint32_t kTransportExclusive = 1u << 2;

struct TransportPublic {
  StructureTag tag = StructureTag::TransportPublic;
  uint32_t attributes = 0;
  Algorithm algorithm{};
  EncScheme scheme{};

  bool has(uint32_t attribute) const { return (attributes & attribute) != 0; }
};

struct TransportAuth {
  StructureTag tag = StructureTag::TransportAuth;
  Secret auth;
};

struct TransportLogIn {
  StructureTag tag = StructureTag::TransportLogIn;
  Digest parameters{};
  Digest pub_key_hash{};
};

struct TransportLogOut {
  StructureTag tag = StructureTag::TransportLogOut;
  CurrentTicks ticks;
  Digest parameters{};
  uint32_t locality = 0;
};

}  // namespace tpm
