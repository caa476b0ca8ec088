// SPDX-License-Identifier: MIT
// Part 3, 3: admin startup and state. TPM_Init is a signal of the platform: Engine::power_on.
#include "engine/commands/chapters.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"
#include "engine/state/snapshot.h"

namespace tpm {

namespace {

// ---- 3.2 TPM_Startup ----
struct Startup {
  struct In {
    StartupType type{};
  };
  using Out = Nothing;

  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    TRY(require(tpm.stany->post_initialise, Rc::InvalidPostInit));  // 1
    TRY(require(!tpm.stany->failed, Rc::FailedSelfTest));
    switch (in.type) {  // 2
      case StartupType::Clear:
        clear(tpm, tpm.flags->deactivated);  // 3
        break;
      case StartupType::State:
        TRY(restore(tpm));  // 4
        break;
      case StartupType::Deactivated:
        clear(tpm, true);  // 5
        break;
      default:
        return Rc::BadParameter;
    }
    if (tpm.saved->valid) tpm.saved.edit() = {};
    tpm.stany.edit().post_initialise = false;  // 6
    return Out{};
  }

 private:
  // 3.a-f: everything that TPM_Init has not reset already.
  static void clear(Tpm& tpm, bool deactivated) {
    StClear fresh;
    fresh.deactivated = deactivated;
    tpm.random(fresh.context_nonce_key);
    tpm.stclear.edit() = fresh;
    tpm.pcrs.edit() = Pcrs::at_startup();
    tpm.sessions.edit() = {};
    tpm.transports.edit() = {};
    tpm.contexts.edit() = {};
    tpm.audit_digest.edit() = {};
    tpm.nv_locks.edit() = {};
    tpm.active_counter.edit() = {};
    tpm.keys.edit().clear_volatile();
  }

  // 4.a-e: the saved state, but for sessions, ticks and the flags of TPM_Init.
  static Result<> restore(Tpm& tpm) {
    bool possible = tpm.saved->valid;
    if (possible) {
      Tpm old(tpm.platform, tpm.settings);
      possible = load_volatile(old, tpm.saved->volatile_state).ok();
      if (possible) {
        tpm.stclear.edit() = *old.stclear;
        tpm.pcrs.edit() = *old.pcrs;
        tpm.keys.edit() = *old.keys;
        tpm.audit_digest.edit() = *old.audit_digest;
        tpm.nv_locks.edit() = *old.nv_locks;
        tpm.active_counter.edit() = *old.active_counter;
      }
    }
    if (possible) return {};
    // 4.c: without a state to go on from the TPM enters failure mode and stays there. It has been started: what a TPM in
    // failure mode still answers (4.3) must be there to be asked.
    StAny& any = tpm.stany.edit();
    any.failed = true;
    any.post_initialise = false;
    TRY(tpm.commit());
    return Rc::FailedSelfTest;
  }
};

// ---- 3.3 TPM_SaveState ----
struct SaveState {
  using In = Nothing;
  using Out = Nothing;

  static Result<Out> run(Call& call, const In&) {
    Tpm& tpm = call.tpm;
    tpm.saved.edit() = {.valid = true, .volatile_state = wire::SizedBytes(save_volatile(tpm))};  // 1-7
    return Out{};
  }
};

constexpr std::array kRows = {
    before_selftest(row<Startup>(ordinal::Startup, "TPM_Startup", Needs::Nothing)),
    row<SaveState>(ordinal::SaveState, "TPM_SaveState", Needs::Started),
};

}  // namespace

Chapter chapter_03() { return kRows; }

}  // namespace tpm
