// SPDX-License-Identifier: MIT
// Part 3, 22: eviction.
#include "engine/commands/chapters.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"
#include "engine/state/evict_key.h"

namespace tpm {

namespace {

// ---- 22.1 TPM_FlushSpecific ----
struct FlushSpecific {
  struct In {
    AnyHandle handle;
    ResourceType type{};
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    uint32_t handle = in.handle.value;
    switch (in.type) {
      case ResourceType::Key:                                              // 2, 2.a
        TRY(require(tpm.keys->slot(handle) != nullptr, Rc::BadParameter));  // 7
        TRY(evict_key(tpm, handle));                                       // 2.b, 8
        return Out{};
      case ResourceType::Auth:                                                 // 3
        TRY(require(tpm.sessions->find(handle) != nullptr, Rc::BadParameter));  // 7
        tpm.sessions.edit().end(handle);                                       // 8
        return Out{};
      case ResourceType::DaaTpm:                                      // 5
        TRY(require(tpm.daa->find(handle).ok(), Rc::BadParameter));  // 7
        tpm.daa.edit().end(handle);                                  // 8
        return Out{};
      case ResourceType::Context:  // 1
      case ResourceType::Trans:    // 4
        return Rc::BadParameter;   // 7: none of them is ever allocated
      default:
        return Rc::InvalidResource;  // 6
    }
  }
};

constexpr std::array kRows = {
    may_name_key(row<FlushSpecific>(ordinal::FlushSpecific, "TPM_FlushSpecific", Needs::Started)),
};

}  // namespace

Chapter chapter_22() { return kRows; }

}  // namespace tpm
