// SPDX-License-Identifier: MIT
// Audit, recomputed by somebody who only knows which commands were sent; and the counter that raw_client left active.

#include <algorithm>
#include <cstring>

#include "tests/clients/tspi/session.h"
#include "tests/engine/audit_client.h"

namespace tspi {
namespace {

constexpr UINT32 kExtend = 0x14, kPcr = 7;

TSS_RESULT set_audited(const Session& session, UINT32 ordinal, bool audited) {
  return Tspi_SetAttribUint32(session.tpm, TSS_TSPATTRIB_TPM_ORDINAL_AUDIT_STATUS,
                              audited ? TPM_CAP_PROP_TPM_SET_ORDINAL_AUDIT : TPM_CAP_PROP_TPM_CLEAR_ORDINAL_AUDIT,
                              ordinal);
}

struct Audited {
  Bytes digest;
  UINT32 count = 0;
  std::vector<UINT32> ordinals;
};

Audited audited(const Session& session) {
  UINT32 size = 0, n = 0;
  UINT32* list = nullptr;
  BYTE* digest = nullptr;
  TPM_COUNTER_VALUE counter{};
  must(Tspi_TPM_GetAuditDigest(session.tpm, 0, FALSE, &size, &digest, &counter, nullptr, &n, &list),
       "Tspi_TPM_GetAuditDigest");
  Audited read{.digest = Bytes(digest, digest + size), .count = counter.counter};
  Bytes raw(n * sizeof(UINT32));  // libtspi leaves them in the TPM's byte order
  std::memcpy(raw.data(), list, raw.size());
  client::In in(raw);
  for (UINT32 i = 0; i < n; ++i) read.ordinals.push_back(in.u32());
  return read;
}

bool lists(const Audited& state, UINT32 ordinal) {
  return std::find(state.ordinals.begin(), state.ordinals.end(), ordinal) != state.ordinals.end();
}

// Extends, and gives what an auditor saw of it.
void extend(const Session& session, BYTE filler, client::AuditLog* log) {
  Bytes event(20, filler);
  UINT32 size = 0;
  BYTE* value = nullptr;
  must(Tspi_TPM_PcrExtend(session.tpm, kPcr, 20, event.data(), nullptr, &size, &value), "Tspi_TPM_PcrExtend");
  if (log == nullptr) return;
  client::Out params;
  params.u32(kPcr).raw(event);
  log->both({.ordinal = kExtend, .params = params}, {.code = 0, .params = Bytes(value, value + size)});
}

// TPM_SIGN_INFO of TPM_GetAuditDigestSigned.
Bytes sign_info(const Bytes& nonce, const Bytes& digest, UINT32 count, const std::vector<UINT32>& ordinals) {
  client::Out list, info;
  for (UINT32 ordinal : ordinals) list.u32(ordinal);
  info.u16(0x0005).raw(client::bytes_of("ADIG")).raw(nonce).u32(20 + 10 + 20).raw(digest);
  return info.u16(0x000e).u32(0).u32(count).raw(client::sha1(list));
}

void test_signed(const Session& session, TSS_HKEY identity) {
  Audited before = audited(session);
  Bytes nonce(20, 0x7e);
  TSS_VALIDATION validation = challenge(nonce);
  UINT32 size = 0;
  BYTE* digest = nullptr;
  TPM_COUNTER_VALUE counter{};
  TSS_RESULT result =
      Tspi_TPM_GetAuditDigest(session.tpm, identity, TRUE, &size, &digest, &counter, &validation, nullptr, nullptr);
  if (!gives(result, TSS_SUCCESS, "an identity signs the audit digest and closes it")) return;
  holds(verifies(modulus_of(identity), sign_info(nonce, before.digest, before.count, before.ordinals),
                 signature_in(validation)),
        "OpenSSL verifies digest, counter and list of ordinals");
  holds(audited(session).digest == Bytes(20), "the digest begins anew");
}

}  // namespace

void test_audit(const Session& session, TSS_HKEY identity) {
  holds(!lists(audited(session), kExtend), "extending is not audited");
  gives(set_audited(session, kExtend, true), TSS_SUCCESS, "the owner wants it to be");
  holds(lists(audited(session), kExtend), "the TPM lists it");
  extend(session, 0x11, nullptr);
  test_signed(session, identity);
  UINT32 count = audited(session).count;
  client::AuditLog log(count + 1);
  extend(session, 0x12, &log);
  extend(session, 0x13, &log);
  Audited state = audited(session);
  holds(state.digest == client::bytes_of(log.digest()), "the digest is what an auditor computes of two of them");
  holds(state.count == count + 1, "the counter has counted one audit session");
  gives(set_audited(session, kExtend, false), TSS_SUCCESS, "the owner wants no more of it");
  state = audited(session);
  extend(session, 0x14, nullptr);
  holds(audited(session).digest == state.digest && !lists(audited(session), kExtend), "and the TPM audits no more");
}

void test_counter(const Session& session, UINT32 id) {
  UINT32 size = 0, property = TSS_TPMCAP_PROP_ACTIVECOUNTER, active = 0, count = 0;
  BYTE* data = nullptr;
  must(Tspi_TPM_GetCapability(session.tpm, TSS_TPMCAP_PROPERTY, sizeof property,
                              static_cast<BYTE*>(static_cast<void*>(&property)), &size, &data),
       "Tspi_TPM_GetCapability");
  std::memcpy(&active, data, std::min<size_t>(size, sizeof active));
  holds(active == id, "the TPM tells which counter is active");
  gives(Tspi_TPM_ReadCounter(session.tpm, &count), TPM_E_BAD_COUNTER,
        "libtspi asks for it with the bytes of its name reversed, which is none");
}

}  // namespace tspi
