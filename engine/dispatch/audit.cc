// SPDX-License-Identifier: MIT
#include "engine/dispatch/audit.h"

#include <algorithm>

#include "engine/crypto/hash.h"

namespace tpm {

bool audited_now(const Tpm& tpm, const CommandRow& row) {
  return row.audit != Audit::Never && tpm.audit->audits(row.ordinal, row.audit == Audit::ByDefault);
}

Result<> audit_input(Tpm& tpm, const Digest& in_digest) {
  if (tpm.audit_digest->value == Digest{}) {  // 2.a
    TRY(require(tpm.audit->counter.count != UINT32_MAX, Rc::AuditFailUnsuccessful));
    tpm.audit.edit().counter.count++;  // 2.a.i
  }
  AuditEventIn event{.input_parms = in_digest, .audit_count = tpm.audit->counter};  // 2.b
  tpm.audit_digest.edit().value = crypto::sha1_of(tpm.audit_digest->value, event);  // 2.c
  return {};
}

void audit_output(Tpm& tpm, const Digest& out_digest) {
  AuditEventOut event{.output_parms = out_digest, .audit_count = tpm.audit->counter};  // 2.d
  tpm.audit_digest.edit().value = crypto::sha1_of(tpm.audit_digest->value, event);     // 2.e
}

std::vector<uint32_t> audited_ordinals(const Tpm& tpm, uint32_t first) {
  std::vector<uint32_t> ordinals;
  for (Chapter chapter : all_chapters()) {
    for (const CommandRow& row : chapter) {
      if (row.ordinal >= first && audited_now(tpm, row)) ordinals.push_back(row.ordinal);
    }
  }
  std::ranges::sort(ordinals);
  return ordinals;
}

}  // namespace tpm
