// SPDX-License-Identifier: MIT
#include "tests/engine/counter_client.h"

namespace client {

namespace {

Answer<CounterRead> counter_of(Reply reply, bool with_id) {
  if (!reply.ok()) return {reply, {}};
  In in(reply.params);
  CounterRead counter;
  if (with_id) counter.id = in.u32();
  if (in.u16() != 0x0e) reply.defect = "not a TPM_COUNTER_VALUE: " + hex(reply.params);
  counter.label = in.raw(4);
  counter.count = in.u32();
  if (!in.done()) reply.defect = "parameters of a wrong length: " + hex(reply.params);
  return {reply, counter};
}

}  // namespace

Answer<CounterRead> Counters::create(const Digest& owner, const Digest& auth, std::string_view label) {
  auto session = tpm_.osap(kEtOwner, kOwner, owner);
  if (!session.ok()) return {session.reply, {}};
  return counter_of(tpm_.run({.ordinal = 0xdc,
                              .params = Out().raw(hide_even(session.value, auth)).raw(bytes_of(label)),
                              .proofs = {{.session = &session.value}}}),
                    true);
}
Answer<CounterRead> Counters::increment(uint32_t id, const Digest& auth) {
  return counter_of(tpm_.run_oiap({.ordinal = 0xdd, .params = Out().u32(id)}, auth), false);
}
Answer<CounterRead> Counters::read(uint32_t id) { return counter_of(tpm_.run(0xde, Out().u32(id)), false); }
Reply Counters::release(uint32_t id, const Digest& auth) {
  return tpm_.run_oiap({.ordinal = 0xdf, .params = Out().u32(id)}, auth);
}
Reply Counters::release_as_owner(uint32_t id, const Digest& owner) {
  return tpm_.run_oiap({.ordinal = 0xe0, .params = Out().u32(id)}, owner);
}
uint32_t Counters::active() { return In(tpm_.get_capability(5, Out().u32(0x122)).value).u32(); }

}  // namespace client
