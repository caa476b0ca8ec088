// SPDX-License-Identifier: MIT
// Saved contexts (Part 2, 18).
#pragma once

#include "engine/spec/types.h"

namespace tpm {

struct ContextBlob {
  StructureTag tag = StructureTag::ContextBlob;
  ResourceType type{};
  uint32_t handle = 0;
  std::array<uint8_t, 16> label{};
  uint32_t count = 0;
  Digest integrity{};
  wire::SizedBytes additional;
  wire::SizedBytes sensitive;
};

struct ContextSensitive {
  StructureTag tag = StructureTag::ContextSensitive;
  Nonce nonce{};
  wire::SizedBytes internal;
};

}  // namespace tpm
