// SPDX-License-Identifier: MIT
#include "engine/state/delegation.h"

#include <algorithm>

namespace tpm {

const FamilyTableEntry* Delegation::family(uint32_t id) const {
  auto found = std::ranges::find(families.items, id, &FamilyTableEntry::id);
  return found == families.items.end() ? nullptr : &*found;
}

FamilyTableEntry* Delegation::family(uint32_t id) {
  auto found = std::ranges::find(families.items, id, &FamilyTableEntry::id);
  return found == families.items.end() ? nullptr : &*found;
}

const DelegateRow* Delegation::row(uint32_t index) const {
  return index < rows.size() && rows[index].valid ? &rows[index] : nullptr;
}

}  // namespace tpm
