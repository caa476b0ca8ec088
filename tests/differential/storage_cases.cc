// SPDX-License-Identifier: MIT
// NV areas with every attribute, written and read from every side; monotonic counters.
#include "tests/differential/recorder.h"

namespace differential {

namespace {

using client::Digest;
using client::Proof;
using client::Session;
using world::World;

constexpr uint32_t kPpRead = 0x80000000, kPpWrite = 1, kOwnerRead = 1U << 17, kOwnerWrite = 2, kAuthRead = 1U << 18,
                   kAuthWrite = 4, kWriteAll = 1U << 12, kWriteDefine = 1U << 13, kWriteStClear = 1U << 14,
                   kGlobalLock = 1U << 15, kReadStClear = 1U << 31;
const Digest kAreaAuth = client::secret("area");

// A request whose sessions are gone afterwards, whatever came of it.
Reply once(World& w, const Command& command) {
  Reply reply = w.tpm.run(command);
  for (const Proof& proof : command.proofs) {
    if (!reply.ok()) w.tpm.run({.ordinal = 0x96, .handles = Out().u32(proof.session->handle)});
  }
  return reply;
}
Reply by_secret(World& w, uint32_t ordinal, const Bytes& params, const Digest& secret) {
  return once(w, {.ordinal = ordinal, .params = params, .proofs = {{.session = w.oiap(), .secret = secret}}});
}

Bytes pcr_short() { return Out().raw(client::pcr_selection({})).u8(0x1f).raw(Digest{}); }

Bytes area(uint32_t index, uint32_t attributes, uint32_t size) {
  return Out()
      .u16(0x18)
      .u32(index)
      .raw(pcr_short())
      .raw(pcr_short())
      .u16(0x17)
      .u32(attributes)
      .u8(0)
      .u8(0)
      .u8(0)
      .u32(size);
}

Reply define(World& w, uint32_t index, uint32_t attributes, uint32_t size, bool owned) {
  if (!owned) return w.tpm.run(0xcc, Out().raw(area(index, attributes, size)).raw(Digest{}));
  Session* session = w.osap(client::kEtOwner, client::kOwner, world::kOwnerAuth);
  return once(w, {.ordinal = 0xcc,
                  .params = Out().raw(area(index, attributes, size)).raw(client::hide_even(*session, kAreaAuth)),
                  .proofs = {{.session = session}}});
}

void access(const Recorder& r, World& w, uint32_t index, uint32_t offset, uint32_t n, bool owned,
            const std::string& round = "") {
  Bytes data(n, 0x5a);
  Bytes write = Out().u32(index).u32(offset).sized(data);
  Bytes read = Out().u32(index).u32(offset).u32(n);
  std::string at = std::to_string(offset) + "+" + std::to_string(n) + "/" + round;
  bool wraps = offset + n < offset;
  auto record = [&](const char* name, const std::function<Reply()>& make) {
    wraps ? r.alone(at + name, make) : static_cast<void>(r.answer(at + name, make()));
  };
  record("write", [&] { return w.tpm.run(0xcd, write); });
  if (owned) {
    record("write-owner", [&] { return by_secret(w, 0xcd, write, world::kOwnerAuth); });
    record("write-auth", [&] { return by_secret(w, 0xce, write, kAreaAuth); });
    // Alone, so that its guess does not count against the others.
    r.alone(at + "write-wrong", [&] { return by_secret(w, 0xce, write, world::kWrong); });
  }
  record("read", [&] { return w.tpm.run(0xcf, read); });
  if (owned) {
    record("read-owner", [&] { return by_secret(w, 0xcf, read, world::kOwnerAuth); });
    record("read-auth", [&] { return by_secret(w, 0xd0, read, kAreaAuth); });
    r.alone(at + "read-wrong", [&] { return by_secret(w, 0xd0, read, world::kWrong); });
  }
}

}  // namespace

void nv_cases(const Recorder& recorder, World& w) {
  bool owned = w.tpm.run(0x65, Out().u32(5).sized(Out().u32(0x111))).params == Bytes{0, 0, 0, 1, 1};
  for (bool present : {false, true}) {
    Recorder side = recorder.at(present ? "presence" : "remote");
    side.apart([&](const Recorder& here) {
      if (present) w.presence();
      for (uint32_t attributes :
           {0U, kOwnerRead | kOwnerWrite, kAuthRead | kAuthWrite, kOwnerRead | kAuthWrite, kPpRead, kPpWrite,
            kPpWrite | kOwnerRead, kOwnerWrite | kAuthWrite, kAuthRead | kOwnerRead | kOwnerWrite,
            kOwnerWrite | kWriteAll, kOwnerWrite | kWriteDefine, kOwnerWrite | kWriteStClear, kOwnerWrite | kGlobalLock,
            kOwnerRead | kOwnerWrite | kReadStClear, kAuthWrite | kAuthRead | kWriteDefine, kPpWrite | kWriteDefine,
            kPpWrite | kPpRead, 0x00000008U, 0xffffffffU}) {
        here.apart([&](const Recorder& r) {
          Recorder one = r.at(number(attributes));
          one.answer("define", define(w, 0x1000, attributes, 32, owned));
          one.answer("define-again", define(w, 0x1000, attributes, 16, owned));
          for (auto [offset, n] : {std::pair{0U, 16U},
                                   {16U, 16U},
                                   {0U, 32U},
                                   {31U, 2U},
                                   {0U, 33U},
                                   {32U, 0U},
                                   {33U, 0U},
                                   {0xffffffffU, 2U},
                                   {0U, 0U}}) {
            access(one, w, 0x1000, offset, n, owned);
          }
          access(one, w, 0x1000, 0, 16, owned, "locked-");
          one.answer("list", w.tpm.run(0x65, Out().u32(0x0d).sized({})));
          one.answer("public", w.tpm.run(0x65, Out().u32(0x11).sized(Out().u32(0x1000))));
        });
      }
      for (uint32_t index : {0U, 1U, 0x10000001U, 0x11000001U, 0x01000001U, 0xffffffffU, 0x80001000U, 0x40001000U,
                             0x20001000U, 0x10001000U, 0x0000f000U, 0x00010000U, 0x00011600U}) {
        here.apart([&](const Recorder& r) {
          Recorder one = r.at("index-" + number(index));
          one.answer("define", define(w, index, owned ? kOwnerRead | kOwnerWrite : kPpWrite, 8, owned));
          access(one, w, index, 0, 8, owned);
          one.answer("public", w.tpm.run(0x65, Out().u32(0x11).sized(Out().u32(index))));
        });
      }
      for (uint32_t size : {0U, 1U, 1024U, 2048U, 65536U, 0x7fffffffU, 0xffffffffU}) {
        here.apart([&](const Recorder& r) {
          r.answer("size-" + std::to_string(size), define(w, 0x1000, owned ? kOwnerWrite : kPpWrite, size, owned));
        });
      }
    });
  }
}

void counter_cases(const Recorder& recorder, World& w) {
  recorder.apart([&](const Recorder& r) {
    std::vector<uint32_t> handles;
    for (int i = 0; i < 10; i++) {
      Session* session = w.osap(client::kEtOwner, client::kOwner, world::kOwnerAuth);
      Out params;
      params.raw(client::hide_even(*session, kAreaAuth)).u8('c').u8('t').u8('r').u8(static_cast<uint32_t>(i));
      Reply reply = once(w, {.ordinal = 0xdc, .params = params, .proofs = {{.session = session}}});
      r.code("create-" + std::to_string(i), reply.code);
      In in(reply.params);
      handles.push_back(in.u32());
      if (reply.ok()) r.answer("created-" + std::to_string(i), {.code = 0, .params = in.rest()});
    }
    for (size_t i = 0; i < 2; i++) {
      Bytes count = Out().u32(handles[i]);
      std::string name = std::to_string(i);
      auto by = [&](uint32_t ordinal, const Digest& secret) { return by_secret(w, ordinal, count, secret); };
      r.answer("read-" + name, w.tpm.run(0xde, count));
      r.answer("increment-" + name, by(0xdd, kAreaAuth));
      r.answer("increment-again-" + name, by(0xdd, kAreaAuth));
      r.answer("increment-wrong-" + name, by(0xdd, world::kWrong));
      r.answer("read-again-" + name, w.tpm.run(0xde, count));
      r.answer("release-wrong-" + name, by(0xdf, world::kWrong));
      r.answer("release-owner-" + name, by(0xe0, world::kWrong));
      r.answer(i == 0 ? "release" : "release-by-owner", i == 0 ? by(0xdf, kAreaAuth) : by(0xe0, world::kOwnerAuth));
      r.answer("released-" + name, w.tpm.run(0xde, count));
    }
  });
  for (uint32_t handle : {0U, 1U, 0x40000000U, 0xffffffffU}) {
    recorder.apart([&](const Recorder& r) {
      r.answer("unknown-" + number(handle), w.tpm.run(0xde, Out().u32(handle)));
      r.answer("unknown-release-" + number(handle), by_secret(w, 0xdf, Out().u32(handle), kAreaAuth));
    });
  }
}

}  // namespace differential
