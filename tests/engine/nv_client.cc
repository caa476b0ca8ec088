// SPDX-License-Identifier: MIT
#include "tests/engine/nv_client.h"

namespace client {

namespace {

constexpr uint32_t kDefineSpace = 0xcc, kWriteValue = 0xcd, kWriteValueAuth = 0xce, kReadValue = 0xcf,
                   kReadValueAuth = 0xd0;

PcrShort pcr_short(In& in) {
  PcrShort info;
  Bytes bits = in.raw(in.u16());
  info.selection = Out().u16(static_cast<uint32_t>(bits.size())).raw(bits);
  info.locality = in.u8();
  info.at_release = in.digest();
  return info;
}

Command writing(uint32_t ordinal, uint32_t index, uint32_t offset, const Bytes& data) {
  return {.ordinal = ordinal, .params = Out().u32(index).u32(offset).sized(data)};
}
Command reading(uint32_t ordinal, uint32_t index, uint32_t offset, uint32_t n) {
  return {.ordinal = ordinal, .params = Out().u32(index).u32(offset).u32(n)};
}

Answer<Bytes> data_of(Reply reply) {
  if (!reply.ok()) return {reply, {}};
  In in(reply.params);
  Bytes data = in.sized();
  if (!in.done()) reply.defect = "parameters of a wrong length: " + hex(reply.params);
  return {reply, data};
}

}  // namespace

Bytes NvPublic::encode() const {
  return Out()
      .u16(0x18)
      .u32(index)
      .raw(read.encode())
      .raw(write.encode())
      .u16(0x17)
      .u32(attributes)
      .u8(read_stclear)
      .u8(write_stclear)
      .u8(write_define)
      .u32(bytes);
}

NvPublic NvPublic::decode(const Bytes& encoded) {
  In in(encoded);
  NvPublic area;
  if (in.u16() != 0x18) return {};
  area.index = in.u32();
  area.read = pcr_short(in);
  area.write = pcr_short(in);
  if (in.u16() != 0x17) return {};
  area.attributes = in.u32();
  area.read_stclear = in.u8() != 0;
  area.write_stclear = in.u8() != 0;
  area.write_define = in.u8() != 0;
  area.bytes = in.u32();
  return in.done() ? area : NvPublic{};
}

Reply Nv::define(const NvPublic& area, const Digest& auth) {
  return tpm_.run(kDefineSpace, Out().raw(area.encode()).raw(auth));
}
Reply Nv::define_as_owner(const NvPublic& area, const Digest& owner, const Digest& auth) {
  auto session = tpm_.osap(kEtOwner, kOwner, owner);
  if (!session.ok()) return session.reply;
  return tpm_.run({.ordinal = kDefineSpace,
                   .params = Out().raw(area.encode()).raw(hide_even(session.value, auth)),
                   .proofs = {{.session = &session.value}}});
}
Reply Nv::lock() { return define({.index = kNvLock}); }

Reply Nv::write(uint32_t index, uint32_t offset, const Bytes& data) {
  return tpm_.run(writing(kWriteValue, index, offset, data));
}
Reply Nv::write_as_owner(uint32_t index, uint32_t offset, const Bytes& data, const Digest& owner) {
  return tpm_.run_oiap(writing(kWriteValue, index, offset, data), owner);
}
Reply Nv::write_auth(uint32_t index, uint32_t offset, const Bytes& data, const Digest& auth) {
  return tpm_.run_oiap(writing(kWriteValueAuth, index, offset, data), auth);
}

Answer<Bytes> Nv::read(uint32_t index, uint32_t offset, uint32_t n) {
  return data_of(tpm_.run(reading(kReadValue, index, offset, n)));
}
Answer<Bytes> Nv::read_as_owner(uint32_t index, uint32_t offset, uint32_t n, const Digest& owner) {
  return data_of(tpm_.run_oiap(reading(kReadValue, index, offset, n), owner));
}
Answer<Bytes> Nv::read_auth(uint32_t index, uint32_t offset, uint32_t n, const Digest& auth) {
  return data_of(tpm_.run_oiap(reading(kReadValueAuth, index, offset, n), auth));
}

Answer<NvPublic> Nv::public_of(uint32_t index) {
  auto answer = tpm_.get_capability(0x11, Out().u32(index));
  return {answer.reply, NvPublic::decode(answer.value)};
}

}  // namespace client
