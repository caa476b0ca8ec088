// SPDX-License-Identifier: MIT
// Part 3, 26.1: TPM_DAA_Join, by which an issuer certifies a secret of the TPM without learning it.
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

Digest context_digest(const DaaSession& session) { return crypto::sha1_of(session.tpm, session.join); }

Result<uint32_t> count_in(const wire::SizedBytes& bytes) { return bytes.as<uint32_t>(Rc::DaaInputData0); }

// PKCS#1 v1.5 with SHA-1 by the key whose modulus is in the scratch.
Result<> check_signed(const DaaSession& session, const Digest& digest, const wire::SizedBytes& signature) {
  auto key = crypto::RsaKey::from_public(session.context.scratch, {});
  return require(key != nullptr && key->verify_sha1(digest, signature), Rc::DaaIssuerValidity);
}

Output begin(Stage& s) {
  DaaSession& session = s.session;                                    // a-e: a new one
  TRY(require(s.in0.size() == sizeof(uint32_t), Rc::DaaInputData0));  // f
  session.tpm.count = TRY(count_in(s.in0));                           // h
  TRY(require(session.tpm.count > 0, Rc::DaaInputData0));             // g
  session.context.digest_context = context_digest(session);           // i
  session.context.stage = 1;                                          // j
  return wire::SizedBytes(wire::encode(session.handle));              // k-l
}

// A chain of keys, each signed by the one before it; the first one names the issuer.
Output issuer_key(Stage& s) {
  DaaSession& session = s.session;
  TRY(require(s.in0.size() == kDaaModulusBytes, Rc::DaaInputData0));                                // c
  if (session.context.scratch.empty()) {                                                            // d
    session.join.digest_n0 = crypto::sha1(s.in0);                                                   // d.ii
    session.tpm.rekey = crypto::sha1_of(s.call.tpm.daa_secrets->tpm_seed, session.join.digest_n0);  // d.iii
  } else {                                                                                          // e
    TRY(require(s.in1.size() == kDaaModulusBytes, Rc::DaaInputData1));                              // e.ii
    TRY(check_signed(session, crypto::sha1(s.in0), s.in1));                                         // e.i, e.iii-iv
  }
  session.context.scratch = s.in0;                           // d.i, e.v
  session.tpm.count--;                                       // f
  if (session.tpm.count == 0) session.context.stage++;       // g-h
  session.context.digest_context = context_digest(session);  // i
  return wire::SizedBytes{};                                 // j
}

Output issuer_settings(Stage& s) {
  DaaSession& session = s.session;
  session.issuer = TRY(s.in0.as<DaaIssuer>(Rc::DaaInputData0));  // c-d
  TRY(require(session.issuer.tag == StructureTag::DaaIssuer, Rc::DaaInputData0));
  TRY(require(s.in1.size() == kDaaModulusBytes, Rc::DaaInputData1));                           // e
  TRY(check_signed(session, crypto::sha1_of(session.join.digest_n0, session.issuer), s.in1));  // f-h
  session.tpm.digest_issuer = daa::issuer_digest(session);                                     // i
  session.context.digest_context = context_digest(session);                                    // j
  session.context.scratch = {};                                                                // k
  session.context.stage++;                                                                     // l
  return wire::SizedBytes{};
}

Output blinding(Stage& s) {
  DaaSession& session = s.session;
  TRY(require(s.in0.size() == sizeof(uint32_t), Rc::DaaInputData0));  // d
  session.tpm.count = TRY(count_in(s.in0));                           // e
  s.call.tpm.random(session.join.u0.fill());                          // f
  s.call.tpm.random(session.join.u1.fill());                          // g
  session.context.stage++;                                            // i
  session.context.digest_context = context_digest(session);           // j
  return wire::SizedBytes{};                                          // h
}

Output raise_f0(Stage& s) {
  Number f0 = TRY(daa::secret_f(s.session)).low_bits(kDaaPower0);              // j-k
  TRY(daa::multiply_power(s, s.session.issuer.digest_r0, f0, Factor::First));  // d-i, l
  s.session.context.stage++;                                                   // n
  return wire::SizedBytes{};                                                   // m
}

Output raise_f1(Stage& s) {
  Number f1 = TRY(daa::secret_f(s.session)).without_low_bits(kDaaPower0);        // j-k
  TRY(daa::multiply_power(s, s.session.issuer.digest_r1, f1, Factor::Further));  // d-i, l-m
  s.session.context.stage++;                                                     // o
  return wire::SizedBytes{};                                                     // n
}

Output raise_u0(Stage& s) {
  Number u0(s.session.join.u0.reveal());                                         // k
  TRY(daa::multiply_power(s, s.session.issuer.digest_s0, u0, Factor::Further));  // d-j, l
  s.session.context.stage++;                                                     // n
  return wire::SizedBytes{};                                                     // m
}

Output raise_u1(Stage& s) {
  DaaSession& session = s.session;
  Number u1(session.join.u1.reveal());                                         // j
  TRY(daa::multiply_power(s, session.issuer.digest_s1, u1, Factor::Further));  // d-i, k-l
  crypto::Sha1 hash;
  hash.update(session.context.scratch);
  hash.put(session.tpm.count).put(session.join.digest_n0);
  session.context.digest = hash.finish();                   // m
  wire::SizedBytes u = std::move(session.context.scratch);  // n
  session.context.scratch = {};                             // o
  session.context.stage++;                                  // p
  return u;
}

// Only the holder of the endorsement key can tell the issuer what it has encrypted.
Output endorsement(Stage& s) {
  const Key& ek = s.call.tpm.endorsement->key;
  TRY(require(s.in0.size() == kDaaNeBytes, Rc::DaaInputData0));  // d
  TRY(require(ek.present(), Rc::NoEndorsement));
  auto ne = ek.rsa->decrypt_oaep(s.in0);  // e
  TRY(require(ne.has_value(), Rc::DecryptError));
  crypto::Sha1 hash;
  hash.put(s.session.context.digest);
  hash.update(ne->reveal());
  Digest proof = hash.finish();   // f
  s.session.context.digest = {};  // g
  s.session.context.stage++;      // h
  return wire::SizedBytes(View(proof));
}

Output commit_r3(Stage& s) {
  Number r3 = daa::random_for(s.session, "r3", kDaaR3Bytes);                     // h
  TRY(daa::multiply_power(s, s.session.issuer.digest_s1, r3, Factor::Further));  // d-g, i-l
  wire::SizedBytes t = std::move(s.session.context.scratch);                     // m
  s.session.context.scratch = {};                                                // n
  s.session.context.stage++;                                                     // o
  return t;
}

Number answer_u0(const DaaSession& session) {
  return daa::random_for(session, "r2", kDaaR2Bytes) + daa::challenge(session) * Number(session.join.u0.reveal());
}

Output answer_u0_low(Stage& s) {
  auto s2 = answer_u0(s.session).low_bits(kDaaPower1).bytes(kDaaV0Bytes);  // d-e
  TRY(require(s2.has_value(), Rc::Fail));
  s.session.context.stage++;                // g
  return wire::SizedBytes(std::move(*s2));  // f
}

Output answer_u0_high(Stage& s) {
  TRY(daa::set_scratch(s.session, answer_u0(s.session).without_low_bits(kDaaPower1)));  // d-g
  s.session.context.stage++;                                                            // i
  return wire::SizedBytes(View(s.session.context.digest));                              // h
}

Output answer_u1(Stage& s) {
  DaaSession& session = s.session;
  Number s3 = daa::random_for(session, "r3", kDaaR3Bytes) +                                        // d
              daa::challenge(session) * Number(session.join.u1.reveal()) + daa::scratch(session);  // e
  session.context.scratch = {};                                                                    // f
  session.context.stage++;                                                                         // h
  return wire::SizedBytes(s3.bytes());                                                             // g
}

Output keep_v0(Stage& s) {
  DaaSession& session = s.session;
  TRY(require(s.in0.size() == kDaaV0Bytes, Rc::DaaInputData0));   // d
  Number sum = Number(s.in0) + Number(session.join.u0.reveal());  // e, h
  auto v0 = sum.low_bits(kDaaPower1).bytes(kDaaV0Bytes);          // f
  TRY(require(v0.has_value(), Rc::Fail));
  session.tpm.digest_v0 = crypto::sha1(*v0);                         // g
  TRY(daa::set_scratch(session, sum.without_low_bits(kDaaPower1)));  // i-j
  session.context.stage++;                                           // l
  session.context.digest_context = context_digest(session);          // m
  return daa::wrap(s.call.tpm, ResourceType::DaaV0, *v0);            // k
}

Output keep_v1(Stage& s) {
  DaaSession& session = s.session;
  TRY(require(s.in0.size() == kDaaV1Bytes, Rc::DaaInputData0));                           // d
  Number sum = Number(s.in0) + Number(session.join.u1.reveal()) + daa::scratch(session);  // e-f
  auto v1 = sum.bytes(kDaaV1Bytes);
  TRY(require(v1.has_value(), Rc::DaaInputData0));
  session.tpm.digest_v1 = crypto::sha1(*v1);                 // g
  session.context.scratch = {};                              // i
  session.context.stage++;                                   // j
  session.context.digest_context = context_digest(session);  // k
  return daa::wrap(s.call.tpm, ResourceType::DaaV1, *v1);    // h
}

Output finish(Stage& s) {
  return daa::wrap(s.call.tpm, ResourceType::DaaTpm, wire::encode(s.session.tpm));  // d (e: the session ends)
}

// The shared stages leave it to their command to go on.
template <daa::Action action>
Output then_next(Stage& s) {
  wire::SizedBytes out = TRY(action(s));
  s.session.context.stage++;
  return out;
}

constexpr std::array<daa::Action, 25> kStages = {
    begin,
    issuer_key,
    issuer_settings,
    blinding,
    raise_f0,
    raise_f1,
    raise_u0,
    raise_u1,
    endorsement,
    then_next<daa::commit_r0>,
    then_next<daa::commit_r1>,
    then_next<daa::commit_r2>,
    commit_r3,
    then_next<daa::take_base>,
    then_next<daa::pseudonym>,
    then_next<daa::commit_pseudonym>,
    then_next<daa::take_challenge>,
    then_next<daa::answer_f0>,
    then_next<daa::answer_f1>,
    answer_u0_low,
    answer_u0_high,
    answer_u1,
    keep_v0,
    keep_v1,
    finish,
};
constexpr uint8_t kIssuerKnownFrom = 3;

// ---- 26.1 TPM_DAA_Join ----
struct DaaJoin {
  using In = daa::In;
  using Out = daa::Out;
  static Result<Out> run(Call& call, const In& in) {  // 1: the session
    if (in.stage == 0) {
      DaaSession session = TRY(call.tpm.daa.edit().open());
      return daa::perform(call, in, session, kStages);
    }
    DaaSession session = *TRY(call.tpm.daa->find(in.handle.value));
    call.end_daa_session_on_failure(session.handle);  // 2
    TRY(require(session.context.stage == in.stage, Rc::DaaStage));
    TRY(require(session.context.digest_context == context_digest(session), Rc::DaaTpmSettings));
    bool same_issuer = in.stage < kIssuerKnownFrom || session.tpm.digest_issuer == daa::issuer_digest(session);
    TRY(require(same_issuer, Rc::DaaIssuerSettings));
    return daa::perform(call, in, session, kStages);
  }
};

constexpr std::array kRows = {
    delegable(OwnerPermission::DaaJoin, row<DaaJoin>(ordinal::DAA_Join, "TPM_DAA_Join", Needs::Operational, owner())),
};

}  // namespace

Chapter chapter_26_join() { return kRows; }

}  // namespace tpm
