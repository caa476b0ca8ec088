// SPDX-License-Identifier: MIT
// Part 3, 27: deprecated commands.
#include "engine/commands/chapters.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"
#include "engine/state/evict_key.h"
#include "engine/state/load_key.h"

namespace tpm {

namespace {

// ---- 27.1.1 TPM_EvictKey ----
struct EvictKey {
  struct In {
    AnyHandle key;
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {
    TRY(evict_key(call.tpm, in.key.value));
    return Out{};
  }
};

// ---- 27.1.2 TPM_Terminate_Handle ----
struct TerminateHandle {
  struct In {
    AnyHandle session;
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {
    TRY(require(call.tpm.sessions->find(in.session.value) != nullptr, Rc::InvalidAuthHandle));
    call.tpm.sessions.edit().end(in.session.value);
    return Out{};
  }
};

// ---- 27.5 TPM_Reset ----
struct Reset {
  using In = Nothing;
  using Out = Nothing;
  static Result<Out> run(Call& call, const In&) {
    call.tpm.sessions.edit().end_all();  // 1 (2-4: nothing else changes)
    return Out{};
  }
};

// ---- 27.8 TPM_LoadKey ----
struct LoadKey {
  struct In {
    KeyHandle parent;
    KeyBlob key;
  };
  struct Out {
    uint32_t handle = 0;  // unlike that of TPM_LoadKey2 it is part of the digest
  };
  static Result<Out> run(Call& call, const In& in) {
    Key key = TRY(load_wrapped(call.tpm, *in.parent, in.key));  // 1-8, 11-12
    TRY(require(call.tpm.keys->free_slots() > 0, Rc::NoSpace));
    return Out{TRY(call.tpm.keys.edit().load(std::move(key)))};  // 9-10
  }
};

constexpr std::array kRows = {
    names_key(row<EvictKey>(ordinal::EvictKey, "TPM_EvictKey", Needs::Operational)),
    row<TerminateHandle>(ordinal::Terminate_Handle, "TPM_Terminate_Handle", Needs::Started),
    row<Reset>(ordinal::Reset, "TPM_Reset", Needs::Started),
    delegable(KeyPermission::LoadKey,
              row<LoadKey>(ordinal::LoadKey, "TPM_LoadKey", Needs::Operational, optional(key<&LoadKey::In::parent>()))),
};

}  // namespace

Chapter chapter_27() { return kRows; }

}  // namespace tpm
