// SPDX-License-Identifier: MIT
// What is audited, and the digest that stands for everything that was (Part 1, 15; Part 3, 8).
#pragma once

#include <vector>

#include "engine/spec/other_structures.h"

namespace tpm {

struct AuditStatus {
  struct Choice {
    uint32_t ordinal = 0;
    bool audited = false;
  };
  CounterValue counter;           // of audit sessions: one ends with TPM_GetAuditDigestSigned or a start
  wire::Counted<Choice> choices;  // the owner's, where they differ from Part 2, 17

  bool audits(uint32_t ordinal, bool by_default) const;
  void choose(uint32_t ordinal, bool audited, bool by_default);
};

struct AuditDigest {
  Digest value{};  // zeros: nothing has been audited in this session
};

struct AuditEventIn {
  StructureTag tag = StructureTag::AuditEventIn;
  Digest input_parms{};
  CounterValue audit_count;
};

struct AuditEventOut {
  StructureTag tag = StructureTag::AuditEventOut;
  Digest output_parms{};
  CounterValue audit_count;
};

}  // namespace tpm
