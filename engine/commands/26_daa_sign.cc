// SPDX-License-Identifier: MIT
// Part 3, 26.2: TPM_DAA_Sign, which shows that the TPM has joined without showing which TPM it is.
#include "engine/commands/chapters.h"
#include "engine/commands/daa.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"

namespace tpm {

namespace {

using crypto::Number;
using daa::Factor;
using daa::Output;
using daa::Stage;

Digest context_digest(const DaaSession& session) { return crypto::sha1_of(session.tpm); }

Output begin(Stage& s) {
  s.session.issuer = TRY(s.in0.as<DaaIssuer>(Rc::DaaInputData0));  // b-c (a, d-e: a new session)
  TRY(require(s.session.issuer.tag == StructureTag::DaaIssuer, Rc::DaaInputData0));
  return wire::SizedBytes(wire::encode(s.session.handle));  // f
}

Output tpm_specific(Stage& s) {
  Bytes content = TRY(daa::unwrap(s.call.tpm, ResourceType::DaaTpm, s.in0));  // b
  auto specific = wire::decode<DaaTpm>(content);
  TRY(require(specific.ok(), Rc::DaaInputData0));
  s.session.tpm = specific.value();
  TRY(require(s.session.tpm.digest_issuer == daa::issuer_digest(s.session), Rc::DaaIssuerSettings));  // c
  s.session.context.digest_context = context_digest(s.session);                                       // d
  return wire::SizedBytes{};                                                                          // e
}

Output commit_r4(Stage& s) {
  Number r4 = daa::random_for(s.session, "r4", kDaaR4Bytes);                     // h
  TRY(daa::multiply_power(s, s.session.issuer.digest_s1, r4, Factor::Further));  // d-g, i-l
  wire::SizedBytes t = std::move(s.session.context.scratch);                     // m
  s.session.context.scratch = {};                                                // n
  return t;
}

// What is signed: a digest, or the modulus of an identity key of this TPM.
Output message(Stage& s) {
  TRY(require(s.in0.size() == 1, Rc::DaaInputData0));  // d
  uint8_t selector = s.in0.view()[0];
  TRY(require(selector <= 1, Rc::DaaInputData0));  // e
  crypto::Sha1 hash;
  hash.put(s.session.context.digest).put(selector);
  if (selector == 1) {
    TRY(require(s.in1.size() == sizeof(Digest), Rc::DaaInputData1));  // f
    hash.update(s.in1);                                               // g
  } else {
    auto handle = TRY(s.in1.as<uint32_t>(Rc::DaaInputData1));  // h
    auto identity = s.call.tpm.find_key(handle, {.public_only = true}, s.call.locality);
    TRY(require(identity.ok() && identity.value()->blob.usage == KeyUsage::Identity, Rc::DaaInputData1));
    hash.update(identity.value()->blob.pub_key);  // i
  }
  s.session.context.digest = hash.finish();
  return wire::SizedBytes(View(s.session.context.digest));  // j
}

Result<Number> private_v0(const Stage& s) {
  Bytes v0 = TRY(daa::unwrap(s.call.tpm, ResourceType::DaaV0, s.in0));                            // d
  TRY(require(crypto::sha1(v0) == s.session.tpm.digest_v0, Rc::DaaInputData0));                   // e
  return daa::random_for(s.session, "r2", kDaaR2Bytes) + daa::challenge(s.session) * Number(v0);  // f-g
}

Output answer_v0_low(Stage& s) {
  auto s2 = TRY(private_v0(s)).low_bits(kDaaPower1).bytes(kDaaV0Bytes);  // d-g
  TRY(require(s2.has_value(), Rc::Fail));
  return wire::SizedBytes(std::move(*s2));  // h
}

Output answer_v0_high(Stage& s) {
  Number s12 = TRY(private_v0(s)).without_low_bits(kDaaPower1);  // d-h
  TRY(daa::set_scratch(s.session, s12));                         // i
  return wire::SizedBytes{};                                     // j
}

Output answer_v1(Stage& s) {
  Bytes v1 = TRY(daa::unwrap(s.call.tpm, ResourceType::DaaV1, s.in0));           // d
  TRY(require(crypto::sha1(v1) == s.session.tpm.digest_v1, Rc::DaaInputData0));  // e
  Number s3 = daa::random_for(s.session, "r4", kDaaR4Bytes) +                    // f
              daa::challenge(s.session) * Number(v1) + daa::scratch(s.session);  // g
  return wire::SizedBytes(s3.bytes());                                           // i (h, j: the session ends)
}

constexpr std::array<daa::Action, 16> kStages = {
    begin,          tpm_specific,   daa::commit_r0,        daa::commit_r1,      daa::commit_r2, commit_r4,
    daa::take_base, daa::pseudonym, daa::commit_pseudonym, daa::take_challenge, message,        daa::answer_f0,
    daa::answer_f1, answer_v0_low,  answer_v0_high,        answer_v1,
};
constexpr uint8_t kTpmKnownFrom = 2;

// ---- 26.2 TPM_DAA_Sign ----
struct DaaSign {
  using In = daa::In;
  using Out = daa::Out;
  static Result<Out> run(Call& call, const In& in) {  // 1: the session
    if (in.stage == 0) {
      DaaSession session = TRY(call.tpm.daa.edit().open());
      return go(call, in, session);
    }
    DaaSession session = *TRY(call.tpm.daa->find(in.handle.value));
    call.end_daa_session_on_failure(session.handle);  // 2
    TRY(require(session.context.stage == in.stage, Rc::DaaStage));
    if (in.stage >= kTpmKnownFrom) {
      TRY(require(session.context.digest_context == context_digest(session), Rc::DaaTpmSettings));
      TRY(require(session.tpm.digest_issuer == daa::issuer_digest(session), Rc::DaaIssuerSettings));
    }
    return go(call, in, session);
  }

 private:
  static Result<Out> go(Call& call, const In& in, DaaSession& session) {
    session.context.stage++;
    return daa::perform(call, in, session, kStages);
  }
};

constexpr std::array kRows = {
    delegable(OwnerPermission::DaaSign, row<DaaSign>(ordinal::DAA_Sign, "TPM_DAA_Sign", Needs::Operational, owner())),
};

}  // namespace

Chapter chapter_26_sign() { return kRows; }

}  // namespace tpm
