// SPDX-License-Identifier: MIT
#include "tests/engine/audit_client.h"

namespace client {

Answer<AuditState> Audit::digest(uint32_t first) {
  Reply reply = tpm_.run(0x85, Out().u32(first));
  if (!reply.ok()) return {reply, {}};
  In in(reply.params);
  AuditState state;
  if (in.u16() != 0x0e) reply.defect = "not a TPM_COUNTER_VALUE: " + hex(reply.params);
  in.raw(4);
  state.count = in.u32();
  state.digest = in.digest();
  state.more = in.u8() != 0;
  In list(in.sized());
  for (uint32_t ordinal = list.u32(); list.ok(); ordinal = list.u32()) state.ordinals.push_back(ordinal);
  if (!in.done()) reply.defect = "parameters of a wrong length: " + hex(reply.params);
  return {reply, state};
}

Reply Audit::set(uint32_t ordinal, bool audited, const Digest& owner) {
  return tpm_.run_oiap({.ordinal = 0x8d, .params = Out().u32(ordinal).u8(audited)}, owner);
}

void AuditLog::input(const Command& command) { extend(0x12, sha1(Out().u32(command.ordinal).raw(command.params))); }

void AuditLog::output(const Command& command, const Reply& reply) {
  extend(0x13, sha1(Out().u32(reply.code).u32(command.ordinal).raw(reply.params)));
}

void AuditLog::extend(uint16_t tag, const Digest& parameters) {
  Bytes event = Out().u16(tag).raw(parameters).u16(0x0e).u32(0).u32(count_);
  digest_ = sha1(Out().raw(digest_).raw(event));
}

}  // namespace client
