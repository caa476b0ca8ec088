// SPDX-License-Identifier: MIT
// Part 3, 8: auditing. The audit of commands is the dispatcher's (engine/dispatch/audit.h).
#include "engine/commands/chapters.h"
#include "engine/commands/signing.h"
#include "engine/dispatch/audit.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"

namespace tpm {

namespace {

wire::SizedBytes list_of(std::span<const uint32_t> ordinals) {
  Bytes list;
  wire::Writer w(list);
  for (uint32_t ordinal : ordinals) w.uint(ordinal);
  return wire::SizedBytes(std::move(list));
}

// ---- 8.3 TPM_GetAuditDigest ----
struct GetAuditDigest {
  struct In {
    uint32_t start_ordinal = 0;
  };
  struct Out {
    CounterValue counter;
    Digest digest{};
    bool more = false;
    wire::SizedBytes ordinals;
  };
  static Result<Out> run(Call& call, const In& in) {
    const Tpm& tpm = call.tpm;
    Out out{.counter = tpm.audit->counter, .digest = tpm.audit_digest->value};  // 1-2, 5
    std::vector<uint32_t> ordinals = audited_ordinals(tpm, in.start_ordinal);   // 3
    size_t fit = (tpm.settings.buffer_bytes - kBytesBesideList) / sizeof(uint32_t);
    out.more = ordinals.size() > fit;  // 4
    out.ordinals = list_of(std::span(ordinals).first(std::min(ordinals.size(), fit)));
    return out;
  }

 private:
  // The header, the other parameters and the list's length.
  static constexpr size_t kBytesBesideList = 10 + 10 + 20 + 1 + 4;
};

struct AuditSummary {
  Digest audit_digest{};
  CounterValue counter;
  Digest ordinal_digest{};
};

// ---- 8.4 TPM_GetAuditDigestSigned ----
struct GetAuditDigestSigned {
  struct In {
    KeyHandle key;
    bool close_audit = false;
    Nonce anti_replay{};
  };
  struct Out {
    CounterValue counter;
    Digest audit_digest{};
    Digest ordinal_digest{};
    wire::SizedBytes signature;
  };
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    const Key& key = *in.key;
    TRY(require(may_sign(key.blob.usage), Rc::InvalidKeyUsage));                     // 2 (1: the session)
    TRY(require(signs_structures(key.blob.parms.sig_scheme), Rc::InvalidKeyUsage));  // 3
    bool may_close = key.blob.usage == KeyUsage::Identity;
    TRY(require(!in.close_audit || may_close, Rc::InvalidKeyUsage));                      // 5.b
    Digest ordinals = crypto::sha1(list_of(audited_ordinals(tpm, 0)));                    // 4.c-d
    AuditSummary summary{tpm.audit_digest->value, tpm.audit->counter, ordinals};          // 4.e-g
    SignInfo info{.fixed = {'A', 'D', 'I', 'G'}, .replay = in.anti_replay};               // 4.a-b
    info.data = wire::SizedBytes(wire::encode(summary));                                  // 4.h
    Out out{summary.counter, summary.audit_digest, ordinals, TRY(signed_by(key, info))};  // 4.i-j
    if (in.close_audit) tpm.audit_digest.edit() = {};                                     // 5.a
    return out;
  }
};

// ---- 8.5 TPM_SetOrdinalAuditStatus ----
struct SetOrdinalAuditStatus {
  struct In {
    uint32_t ordinal = 0;
    bool audited = false;
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {  // 1: the session
    const CommandRow* row = find_command(in.ordinal);
    TRY(require(row != nullptr, Rc::BadIndex));  // 2
    TRY(require(!in.audited || row->audit != Audit::Never, Rc::BadParameter));
    bool by_default = row->audit == Audit::ByDefault;
    call.tpm.audit.edit().choose(in.ordinal, in.audited, by_default);  // 3
    return Out{};
  }
};

constexpr std::array kRows = {
    never_audited(row<GetAuditDigest>(ordinal::GetAuditDigest, "TPM_GetAuditDigest", Needs::Unowned)),
    delegable(
        KeyPermission::GetAuditDigestSigned,
        never_audited(row<GetAuditDigestSigned>(ordinal::GetAuditDigestSigned, "TPM_GetAuditDigestSigned",
                                                Needs::Operational, optional(key<&GetAuditDigestSigned::In::key>())))),
    delegable(OwnerPermission::SetOrdinalAuditStatus,
              audited(row<SetOrdinalAuditStatus>(ordinal::SetOrdinalAuditStatus, "TPM_SetOrdinalAuditStatus",
                                                 Needs::Operational, owner()))),
};

}  // namespace

Chapter chapter_08() { return kRows; }

}  // namespace tpm
