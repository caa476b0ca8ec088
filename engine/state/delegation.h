// SPDX-License-Identifier: MIT
// The family table and the delegate table (Part 2, 20; Part 3, 19).
#pragma once

#include "engine/spec/delegation.h"

namespace tpm {

struct DelegateRow {
  bool valid = false;
  DelegatePublic pub;
  Secret auth;
};

struct Delegation {
  static constexpr size_t kFamilies = 8;
  static constexpr size_t kRows = 4;

  uint32_t last_family_id = 0;
  wire::Counted<FamilyTableEntry> families;
  std::array<DelegateRow, kRows> rows;

  // Null when there is none.
  const FamilyTableEntry* family(uint32_t id) const;
  FamilyTableEntry* family(uint32_t id);
  const DelegateRow* row(uint32_t index) const;
};

}  // namespace tpm
