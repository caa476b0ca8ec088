// SPDX-License-Identifier: MIT
// Part 3, 16: integrity collection and reporting.
#include "engine/commands/chapters.h"
#include "engine/commands/extend.h"
#include "engine/commands/signing.h"
#include "engine/commands/version.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"
#include "engine/spec/other_structures.h"

namespace tpm {

Result<Digest> extend_pcr(Call& call, uint32_t pcr, const Digest& event) {
  TRY(require(pcr < kPcrCount, Rc::BadIndex));                                                 // 1
  TRY(require(locality_in(pcr_attributes(pcr).extend_from, call.locality), Rc::BadLocality));  // 2-4
  Pcrs& pcrs = call.tpm.pcrs.edit();
  pcrs.extend(pcr, event);                                                                     // 5-7
  if (call.tpm.disabled() || call.tpm.deactivated()) return Digest{};                          // 8
  return pcrs.values[pcr];                                                                     // 9
}

namespace {

// ---- 16.1 TPM_Extend ----
struct Extend {
  struct In {
    uint32_t pcr = 0;
    Digest event{};
  };
  struct Out {
    Digest value{};
  };
  static Result<Out> run(Call& call, const In& in) { return Out{TRY(extend_pcr(call, in.pcr, in.event))}; }
};

// ---- 16.2 TPM_PCRRead ----
struct PcrRead {
  struct In {
    uint32_t pcr = 0;
  };
  struct Out {
    Digest value{};
  };
  static Result<Out> run(Call& call, const In& in) {
    TRY(require(in.pcr < kPcrCount, Rc::BadIndex));  // 1
    return Out{call.tpm.pcrs->values[in.pcr]};       // 2
  }
};

// A signing key's scheme and usage as the quotes want them (16.3, actions 2-3; 16.5, actions 2-3).
Result<> check_quoting(const Key& key) {
  TRY(require(key.blob.parms.sig_scheme == SigScheme::RsassaPkcs1v15Sha1, Rc::InappropriateSig));
  return require(may_sign(key.blob.usage), Rc::InvalidKeyUsage);
}

// ---- 16.3 TPM_Quote ----
struct Quote {
  struct In {
    KeyHandle key;
    Nonce external_data{};
    PcrSelection target;
  };
  struct Out {
    PcrComposite pcr_data;
    wire::SizedBytes signature;
  };
  static Result<Out> run(Call& call, const In& in) {
    TRY(check_quoting(*in.key));                              // 1-3 (1: the session)
    TRY(require(in.target.valid(), Rc::InvalidPcrInfo));      // 4
    TRY(require(!in.target.empty(), Rc::InvalidPcrInfo));
    Out out{.pcr_data = call.tpm.pcrs->composite(in.target)};  // 5
    QuoteInfo info{.composite = crypto::sha1_of(out.pcr_data), .external_data = in.external_data};  // 6-7
    out.signature = TRY(signed_by(*in.key, info));            // 8
    return out;
  }
};

// ---- 16.4 TPM_PCR_Reset ----
struct PcrReset {
  struct In {
    PcrSelection selection;
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {
    TRY(require(in.selection.valid(), Rc::InvalidPcrInfo));
    TRY(require(!in.selection.empty(), Rc::InvalidPcrInfo));  // 1
    for (size_t i = 0; i < kPcrCount; i++) {                  // 2: all of them, or none
      if (!in.selection.selects(i)) continue;
      TRY(require(pcr_attributes(i).resettable, Rc::NotResetable));
      TRY(require(locality_in(pcr_attributes(i).reset_from, call.locality), Rc::NotLocal));
    }
    Pcrs& pcrs = call.tpm.pcrs.edit();
    for (size_t i = 0; i < kPcrCount; i++) {  // 3-4
      if (in.selection.selects(i)) pcrs.values[i] = pcrs.reset_value(i);
    }
    return Out{};
  }
};

// ---- 16.5 TPM_Quote2 ----
struct Quote2 {
  struct In {
    KeyHandle key;
    Nonce external_data{};
    PcrSelection target;
    bool add_version = false;
  };
  struct Out {
    PcrInfoShort pcr_data;
    wire::SizedBytes version_info;
    wire::SizedBytes signature;
  };
  static Result<Out> run(Call& call, const In& in) {
    TRY(check_quoting(*in.key));                          // 1-3
    TRY(require(in.target.valid(), Rc::InvalidPcrInfo));  // 4
    Out out{.pcr_data = {.selection = in.target,          // 5-7
                         .locality_at_release = static_cast<uint8_t>(1u << call.locality),
                         .digest_at_release = call.tpm.pcrs->composite_hash(in.target)}};
    QuoteInfo2 info{.external_data = in.external_data, .info_short = out.pcr_data};
    Bytes message = wire::encode(info);
    if (in.add_version) {  // 8-9
      out.version_info = wire::SizedBytes(wire::encode(version_info()));
      base::append(message, out.version_info);
    }
    auto signature = in.key->rsa->sign_sha1(crypto::sha1(message));  // 10
    TRY(require(signature.has_value(), Rc::Fail));
    out.signature = wire::SizedBytes(std::move(*signature));
    return out;
  }
};

constexpr std::array kRows = {
    before_selftest(row<Extend>(ordinal::Extend, "TPM_Extend", Needs::Started)),
    row<PcrRead>(ordinal::PCRRead, "TPM_PCRRead", Needs::Unowned),
    delegable(KeyPermission::Quote,
              row<Quote>(ordinal::Quote, "TPM_Quote", Needs::Operational, optional(key<&Quote::In::key>()))),
    row<PcrReset>(ordinal::PCR_Reset, "TPM_PCR_Reset", Needs::Started),
    delegable(KeyPermission::Quote2,
              row<Quote2>(ordinal::Quote2, "TPM_Quote2", Needs::Operational, optional(key<&Quote2::In::key>()))),
};

}  // namespace

Chapter chapter_16() { return kRows; }

}  // namespace tpm
