// SPDX-License-Identifier: MIT
// Part 3, 5: admin opt-in.
#include "engine/commands/chapters.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"

namespace tpm {

namespace {

// ---- 5.1 TPM_SetOwnerInstall ----
struct SetOwnerInstall {
  struct In {
    bool state = false;
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {
    if (call.tpm.owned()) return Out{};                           // 1
    TRY(require(call.tpm.physical_presence(), Rc::BadPresence));  // 2
    call.tpm.flags.edit().ownership = in.state;
    return Out{};
  }
};

// ---- 5.2 TPM_OwnerSetDisable ----
struct OwnerSetDisable {
  struct In {
    bool disable = false;
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {  // 1: the session
    call.tpm.flags.edit().disable = in.disable;       // 2
    return Out{};
  }
};

// ---- 5.3 TPM_PhysicalEnable ----
struct PhysicalEnable {
  using In = Nothing;
  using Out = Nothing;
  static Result<Out> run(Call& call, const In&) {
    TRY(require(call.tpm.physical_presence(), Rc::BadPresence));  // 1
    call.tpm.flags.edit().disable = false;                        // 2
    return Out{};
  }
};

// ---- 5.4 TPM_PhysicalDisable ----
struct PhysicalDisable {
  using In = Nothing;
  using Out = Nothing;
  static Result<Out> run(Call& call, const In&) {
    TRY(require(call.tpm.physical_presence(), Rc::BadPresence));  // 1
    call.tpm.flags.edit().disable = true;                         // 2
    return Out{};
  }
};

// ---- 5.5 TPM_PhysicalSetDeactivated ----
struct PhysicalSetDeactivated {
  struct In {
    bool state = false;
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {
    TRY(require(call.tpm.physical_presence(), Rc::BadPresence));  // 1
    call.tpm.flags.edit().deactivated = in.state;                 // 2
    return Out{};
  }
};

// ---- 5.6 TPM_SetTempDeactivated ----
struct SetTempDeactivated {
  using In = Nothing;
  using Out = Nothing;
  static Result<Out> run(Call& call, const In&) {
    Tpm& tpm = call.tpm;
    if (call.has_auth(0)) {                                                // 1
      TRY(require(tpm.flags->operator_set, Rc::NoOperator));               // 1.a
      TRY(call.authorize(0, Entity::bare(tpm.ownership->operator_auth, EntityType::Operator)));  // 1.b
    } else {
      TRY(require(tpm.physical_presence(), Rc::BadPresence));  // 2
    }
    tpm.stclear.edit().deactivated = true;  // 3
    return Out{};
  }
};

// ---- 5.7 TPM_SetOperatorAuth ----
struct SetOperatorAuth {
  struct In {
    Secret operator_auth;
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {
    TRY(require(call.tpm.physical_presence(), Rc::BadPresence));  // 1
    call.tpm.ownership.edit().operator_auth = in.operator_auth;   // 2
    call.tpm.flags.edit().operator_set = true;                    // 3
    return Out{};
  }
};

constexpr Needs kEnabled{.started = true, .enabled = true, .no_lockout = true};
constexpr Needs kActivated{.started = true, .activated = true, .no_lockout = true};
constexpr Needs kOwned{.started = true, .owner = true, .no_lockout = true};

constexpr std::array kRows = {
    audited(row<SetOwnerInstall>(ordinal::SetOwnerInstall, "TPM_SetOwnerInstall", Needs::Unowned)),
    delegable(OwnerPermission::OwnerSetDisable,
              audited(row<OwnerSetDisable>(ordinal::OwnerSetDisable, "TPM_OwnerSetDisable", kOwned, owner()))),
    audited(row<PhysicalEnable>(ordinal::PhysicalEnable, "TPM_PhysicalEnable", Needs::Started)),
    audited(row<PhysicalDisable>(ordinal::PhysicalDisable, "TPM_PhysicalDisable", kEnabled)),
    audited(row<PhysicalSetDeactivated>(ordinal::PhysicalSetDeactivated, "TPM_PhysicalSetDeactivated", kEnabled)),
    audited(row<SetTempDeactivated>(ordinal::SetTempDeactivated, "TPM_SetTempDeactivated", kActivated,
                                    optional(deferred(Protocol::Oiap)))),
    row<SetOperatorAuth>(ordinal::SetOperatorAuth, "TPM_SetOperatorAuth", Needs::Unowned),
};

}  // namespace

Chapter chapter_05() { return kRows; }

}  // namespace tpm
