// SPDX-License-Identifier: MIT
#include "engine/state/audit_log.h"

#include <algorithm>

namespace tpm {

bool AuditStatus::audits(uint32_t ordinal, bool by_default) const {
  auto at = std::ranges::find(choices.items, ordinal, &Choice::ordinal);
  return at == choices.items.end() ? by_default : at->audited;
}

void AuditStatus::choose(uint32_t ordinal, bool audited, bool by_default) {
  std::erase_if(choices.items, [ordinal](const Choice& choice) { return choice.ordinal == ordinal; });
  if (audited != by_default) choices.items.push_back({ordinal, audited});
}

}  // namespace tpm
