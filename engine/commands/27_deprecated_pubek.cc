// SPDX-License-Identifier: MIT
// Part 3, 27.6-27.7: the deprecated commands for the public endorsement key.
#include "engine/commands/chapters.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"

namespace tpm {

namespace {

// ---- 27.6 TPM_OwnerReadPubek ----
struct OwnerReadPubek {
  using In = Nothing;
  struct Out {
    PubKey pub_endorsement_key;
  };
  static Result<Out> run(Call& call, const In&) {  // 1: the session
    TRY(require(call.tpm.endorsement->key.present(), Rc::NoEndorsement));
    return Out{call.tpm.endorsement->key.public_key()};  // 2
  }
};

// ---- 27.7 TPM_DisablePubekRead ----
struct DisablePubekRead {
  using In = Nothing;
  using Out = Nothing;
  static Result<Out> run(Call& call, const In&) {
    call.tpm.flags.edit().read_pubek = false;  // 1
    return Out{};
  }
};

constexpr std::array kRows = {
    delegable(OwnerPermission::OwnerReadPubek,
              audited(row<OwnerReadPubek>(ordinal::OwnerReadPubek, "TPM_OwnerReadPubek", Needs::Operational, owner()))),
    delegable(
        OwnerPermission::DisablePubekRead,
        audited(row<DisablePubekRead>(ordinal::DisablePubekRead, "TPM_DisablePubekRead", Needs::Operational, owner()))),
};

}  // namespace

Chapter chapter_27_pubek() { return kRows; }

}  // namespace tpm
