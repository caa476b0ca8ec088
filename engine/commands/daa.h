// SPDX-License-Identifier: MIT
// What the stages of TPM_DAA_Join and TPM_DAA_Sign share (Part 3, 26).
#pragma once

#include <span>

#include "engine/crypto/number.h"
#include "engine/dispatch/call.h"

namespace tpm::daa {

// One stage at work, on a copy of its session.
struct Stage {
  Call& call;
  DaaSession& session;
  const wire::SizedBytes& in0;
  const wire::SizedBytes& in1;
};
using Output = Result<wire::SizedBytes>;
using Action = Output (*)(Stage&);

// ---- Values ----

// Join, 4.j: the TPM's secret for this issuer. DaaIssuerSettings when the issuer's q is nothing to divide by.
Result<crypto::Number> secret_f(const DaaSession& session);
// MGF1 over a label and the session's seed: a random number that can be had again in a later stage.
crypto::Number random_for(const DaaSession& session, std::string_view label, size_t n_bytes);
crypto::Number challenge(const DaaSession& session);
crypto::Number scratch(const DaaSession& session);
Result<> set_scratch(DaaSession& session, const crypto::Number& value);
Digest issuer_digest(const DaaSession& session);

// ---- Steps ----

enum class Factor { First, Further };
// scratch := [scratch *] X^exponent mod n, with X in the first input and n in the second, both what the issuer's
// settings say. DaaInputData0, DaaInputData1.
Result<> multiply_power(Stage& stage, const Digest& base_digest, const crypto::Number& exponent, Factor factor);
// gamma, in the first input. DaaInputData0.
Result<crypto::Number> checked_gamma(const Stage& stage);

// TPM_DAA_BLOB around something of the TPM's own, under daaBlobKey and daaProof.
wire::SizedBytes wrap(const Tpm& tpm, ResourceType type, View content);
// DaaInputData0 when it is not one, or of another type.
Result<Bytes> unwrap(const Tpm& tpm, ResourceType type, const wire::SizedBytes& blob);

// ---- Stages that both commands have: Join's number, then Sign's ----

Output commit_r0(Stage& stage);         // 9, 2
Output commit_r1(Stage& stage);         // 10, 3
Output commit_r2(Stage& stage);         // 11, 4
Output take_base(Stage& stage);         // 13, 6
Output pseudonym(Stage& stage);         // 14, 7
Output commit_pseudonym(Stage& stage);  // 15, 8
Output take_challenge(Stage& stage);    // 16, 9
Output answer_f0(Stage& stage);         // 17, 11
Output answer_f1(Stage& stage);         // 18, 12

// ---- The commands ----

struct In {
  AnyHandle handle;
  uint8_t stage = 0;
  wire::SizedBytes in0;
  wire::SizedBytes in1;
};
struct Out {
  wire::SizedBytes data;
};
// The stage asked for, on a copy of its session, which is then kept, or ended by the last stage. DaaStage.
Result<Out> perform(Call& call, const In& in, DaaSession& session, std::span<const Action> stages);

}  // namespace tpm::daa
