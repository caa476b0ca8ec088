// SPDX-License-Identifier: MIT
#include "engine/commands/daa.h"

#include <algorithm>

#include "engine/crypto/symmetric.h"

namespace tpm::daa {

namespace {

using crypto::Number;

constexpr size_t kIvBytes = 16;

bool is(const wire::SizedBytes& value, const Digest& digest) { return crypto::sha1(value) == digest; }

// A modulus we compute with: the widest the specification has, and odd.
bool usable_modulus(View modulus) {
  return !modulus.empty() && modulus.size() <= kDaaModulusBytes && (modulus.back() & 1) != 0;
}

Digest integrity_of(const Tpm& tpm, const DaaBlob& blob) {
  DaaBlob bare = blob;
  bare.integrity = {};
  return crypto::hmac_of(tpm.daa_secrets->proof, bare);
}

}  // namespace

// ---- Values ----

Result<Number> secret_f(const DaaSession& session) {
  Bytes both;
  for (uint8_t half : {uint8_t{0}, uint8_t{1}}) {
    Digest digest = crypto::sha1_of(session.tpm.rekey, session.tpm.count, half);
    base::append(both, digest);
    base::wipe(digest.data(), digest.size());
  }
  auto f = modulo(Number(both), Number(session.issuer.generic_q));
  TRY(require(f.has_value(), Rc::DaaIssuerSettings));
  return std::move(*f);
}

Number random_for(const DaaSession& session, std::string_view label, size_t n_bytes) {
  Bytes seed(label.begin(), label.end());
  base::append(seed, session.context.context_seed.reveal());
  base::SecretBytes bytes(n_bytes);
  crypto::mgf1(seed, bytes.fill());
  return Number(bytes.reveal());
}

Number challenge(const DaaSession& session) { return Number(session.context.digest); }
Number scratch(const DaaSession& session) { return Number(session.context.scratch); }

Result<> set_scratch(DaaSession& session, const Number& value) {
  auto bytes = value.bytes(kDaaModulusBytes);
  TRY(require(bytes.has_value(), Rc::Fail));
  session.context.scratch = wire::SizedBytes(std::move(*bytes));
  return {};
}

Digest issuer_digest(const DaaSession& session) { return crypto::sha1_of(session.issuer); }

// ---- Steps ----

Result<> multiply_power(Stage& stage, const Digest& base_digest, const Number& exponent, Factor factor) {
  TRY(require(is(stage.in0, base_digest), Rc::DaaInputData0));
  TRY(require(stage.in0.size() <= kDaaModulusBytes, Rc::DaaInputData0));
  TRY(require(is(stage.in1, stage.session.issuer.digest_n), Rc::DaaInputData1));
  TRY(require(usable_modulus(stage.in1), Rc::DaaInputData1));
  Number n(stage.in1);
  auto result = power(Number(stage.in0), exponent, n);
  TRY(require(result.has_value(), Rc::DaaInputData1));
  if (factor == Factor::Further) result = modulo(scratch(stage.session) * *result, n);
  return set_scratch(stage.session, *result);
}

Result<Number> checked_gamma(const Stage& stage) {
  TRY(require(is(stage.in0, stage.session.issuer.digest_gamma), Rc::DaaInputData0));
  TRY(require(usable_modulus(stage.in0), Rc::DaaInputData0));
  return Number(stage.in0);
}

wire::SizedBytes wrap(const Tpm& tpm, ResourceType type, View content) {
  std::array<uint8_t, kIvBytes> iv;
  tpm.random(iv);
  Bytes sensitive = wire::encode(DaaSensitive{.internal = wire::SizedBytes(content)});
  crypto::aes128_ctr(tpm.daa_secrets->blob_key.reveal().first<kIvBytes>(), iv, sensitive);
  DaaBlob blob{
      .type = type, .additional = wire::SizedBytes(View(iv)), .sensitive = wire::SizedBytes(std::move(sensitive))};
  blob.integrity = integrity_of(tpm, blob);
  return wire::SizedBytes(wire::encode(blob));
}

Result<Bytes> unwrap(const Tpm& tpm, ResourceType type, const wire::SizedBytes& bytes) {
  DaaBlob blob = TRY(bytes.as<DaaBlob>(Rc::DaaInputData0));
  bool ours = blob.tag == StructureTag::DaaBlob && base::equal_constant_time(integrity_of(tpm, blob), blob.integrity);
  TRY(require(ours && blob.type == type && blob.additional.size() == kIvBytes, Rc::DaaInputData0));
  Bytes sensitive = blob.sensitive.bytes();
  crypto::aes128_ctr(tpm.daa_secrets->blob_key.reveal().first<kIvBytes>(), blob.additional.view().first<kIvBytes>(),
                     sensitive);
  auto content = wire::decode<DaaSensitive>(sensitive);
  TRY(require(content.ok(), Rc::DaaInputData0));
  return std::move(content.value().internal.bytes());
}

// ---- Stages that both commands have ----

Output commit_r0(Stage& stage) {
  DaaSession& session = stage.session;
  stage.call.tpm.random(session.context.context_seed.fill());               // h
  Number r0 = random_for(session, "r0", kDaaR0Bytes);                       // i
  TRY(multiply_power(stage, session.issuer.digest_r0, r0, Factor::First));  // d-g, j-l
  return wire::SizedBytes{};                                                // m
}

Output commit_r1(Stage& stage) {
  Number r1 = random_for(stage.session, "r1", kDaaR1Bytes);                         // h
  TRY(multiply_power(stage, stage.session.issuer.digest_r1, r1, Factor::Further));  // d-g, i-l
  return wire::SizedBytes{};                                                        // m
}

Output commit_r2(Stage& stage) {
  Number r2 = random_for(stage.session, "r2", kDaaR2Bytes);                         // h
  TRY(multiply_power(stage, stage.session.issuer.digest_s0, r2, Factor::Further));  // d-g, i-l
  return wire::SizedBytes{};                                                        // m
}

Output take_base(Stage& stage) {
  Number gamma = TRY(checked_gamma(stage));                           // d-e
  TRY(require(stage.in1.size() == kDaaWBytes, Rc::DaaInputData1));    // f
  Number w(stage.in1);                                                // g
  auto w1 = power(w, Number(stage.session.issuer.generic_q), gamma);  // h
  TRY(require(w1.has_value() && w1->is_one(), Rc::DaaWrongW));        // i
  TRY(set_scratch(stage.session, w));                                 // j
  return wire::SizedBytes{};                                          // k
}

Output pseudonym(Stage& stage) {
  Number gamma = TRY(checked_gamma(stage));          // d-e
  Number f = TRY(secret_f(stage.session));           // f
  auto e = power(scratch(stage.session), f, gamma);  // g
  TRY(require(e.has_value(), Rc::DaaInputData0));
  return wire::SizedBytes(e->bytes());  // h
}

Output commit_pseudonym(Stage& stage) {
  DaaSession& session = stage.session;
  Number gamma = TRY(checked_gamma(stage));                                                         // d-e
  Number r0 = random_for(session, "r0", kDaaR0Bytes), r1 = random_for(session, "r1", kDaaR1Bytes);  // f-g
  auto r = modulo(r0 + Number::power_of_two(kDaaPower0) * r1, Number(session.issuer.generic_q));    // h
  TRY(require(r.has_value(), Rc::DaaIssuerSettings));
  auto e1 = power(scratch(session), *r, gamma);  // i
  TRY(require(e1.has_value(), Rc::DaaInputData0));
  session.context.scratch = {};          // j
  return wire::SizedBytes(e1->bytes());  // k
}

Output take_challenge(Stage& stage) {
  TRY(require(stage.in0.size() == sizeof(Digest), Rc::DaaInputData0));  // d
  Nonce nt = stage.call.tpm.nonce();                                    // f
  crypto::Sha1 hash;
  hash.update(stage.in0);  // e
  hash.put(nt);
  stage.session.context.digest = hash.finish();  // g
  return wire::SizedBytes(View(nt));             // h
}

Output answer_f0(Stage& stage) {
  Number r0 = random_for(stage.session, "r0", kDaaR0Bytes);               // d
  Number f0 = TRY(secret_f(stage.session)).low_bits(kDaaPower0);          // e-f
  return wire::SizedBytes((r0 + challenge(stage.session) * f0).bytes());  // g-h
}

Output answer_f1(Stage& stage) {
  Number r1 = random_for(stage.session, "r1", kDaaR1Bytes);               // d
  Number f1 = TRY(secret_f(stage.session)).without_low_bits(kDaaPower0);  // e-f
  return wire::SizedBytes((r1 + challenge(stage.session) * f1).bytes());  // g-h
}

// ---- The commands ----

Result<Out> perform(Call& call, const In& in, DaaSession& session, std::span<const Action> stages) {
  TRY(require(in.stage < stages.size(), Rc::DaaStage));
  Stage stage{call, session, in.in0, in.in1};
  Out out{TRY(stages[in.stage](stage))};
  DaaSessions& sessions = call.tpm.daa.edit();
  if (in.stage + 1u == stages.size()) {
    sessions.end(session.handle);
  } else {
    sessions.keep(std::move(session));
  }
  return out;
}

}  // namespace tpm::daa
