// SPDX-License-Identifier: MIT
// Audit of successful commands (Part 3, 8.1). It is part of the command's own transaction: either both are durable or
// neither, so that no command succeeds whose audit failed.
#pragma once

#include "engine/dispatch/command.h"
#include "engine/state/tpm.h"

namespace tpm {

bool audited_now(const Tpm& tpm, const CommandRow& row);

// Actions 2.a-c and 2.d-e, in this order. AuditFailUnsuccessful when there can be no further audit session.
Result<> audit_input(Tpm& tpm, const Digest& in_digest);
void audit_output(Tpm& tpm, const Digest& out_digest);

// The audited ordinals from `first` on, in their order.
std::vector<uint32_t> audited_ordinals(const Tpm& tpm, uint32_t first);

}  // namespace tpm
