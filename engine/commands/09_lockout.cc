// SPDX-License-Identifier: MIT
// Part 3, 9: administrative functions: the owner's way out of a lockout.
#include "engine/commands/chapters.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"

namespace tpm {

namespace {

// ---- 9.3 TPM_ResetLockValue ----
struct ResetLockValue {
  using In = Nothing;
  using Out = Nothing;
  static Result<Out> run(Call& call, const In&) {
    TRY(require(!call.tpm.lockout->reset_disabled, Rc::AuthFail));  // 1
    TRY(call.authorize(0, Entity::owner(call.tpm)));  // 2: the dispatcher counts, and refuses further ones
    call.tpm.lockout.edit() = {};                     // 3
    return Out{};
  }
};

constexpr Needs kEvenInLockout{.started = true, .enabled = true, .activated = true, .owner = true};

constexpr std::array kRows = {
    delegable(OwnerPermission::ResetLockValue,
              row<ResetLockValue>(ordinal::ResetLockValue, "TPM_ResetLockValue", kEvenInLockout, deferred())),
};

}  // namespace

Chapter chapter_09() { return kRows; }

}  // namespace tpm
