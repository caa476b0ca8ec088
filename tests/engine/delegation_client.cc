// SPDX-License-Identifier: MIT
#include "tests/engine/delegation_client.h"

namespace client {

Bytes DelegatePublic::encode() const {
  Out out;
  out.u16(0x001b).u8(label).raw(selection).u8(locality).raw(at_release);
  out.u16(0x001a).u32(type).u32(per1).u32(per2);
  return out.u32(family).u32(count);
}

Command manage(uint32_t family, uint32_t op, const Bytes& data) {
  return {.ordinal = 0xd2, .params = Out().u32(family).u32(op).sized(data)};
}

Command create_owner_delegation(const DelegatePublic& pub, bool increment, const Session& session,
                                const Digest& secret) {
  return {.ordinal = 0xd5, .params = Out().u8(increment).raw(pub.encode()).raw(hide_even(session, secret))};
}

Command create_key_delegation(uint32_t key, const DelegatePublic& pub, const Session& session, const Digest& secret) {
  return {
      .ordinal = 0xd4, .handles = Out().u32(key), .params = Out().raw(pub.encode()).raw(hide_even(session, secret))};
}

Command load_owner_delegation(uint32_t row, const Bytes& blob) {
  return {.ordinal = 0xd8, .params = Out().u32(row).sized(blob)};
}

Bytes plain_owner_blob(const DelegatePublic& pub, const Digest& secret) {
  return Out().u16(0x002a).raw(pub.encode()).raw(Digest{}).sized({}).sized(Out().u16(0x0026).raw(secret));
}

Command dsap_command(uint16_t type, uint32_t key, const Bytes& value) {
  return {.ordinal = 0x11, .params = Out().u16(type).u32(key).raw(fresh_nonce()).sized(value)};
}

Answer<Session> dsap(Tpm& tpm, uint16_t type, uint32_t key, const Bytes& value, const Digest& secret) {
  Digest odd = fresh_nonce();
  Reply reply = tpm.run(0x11, Out().u16(type).u32(key).raw(odd).sized(value));
  In in(reply.params);
  Session session{.kind = SessionKind::Osap, .handle = in.u32(), .nonce_even = in.digest(), .alive = reply.ok()};
  Digest even = in.digest();
  session.shared = hmac_sha1(secret, Out().raw(even).raw(odd));
  if (reply.ok() && !in.done()) reply.defect = "DSAP's answer has a wrong length";
  return {reply, session};
}

}  // namespace client
