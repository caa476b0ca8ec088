// SPDX-License-Identifier: MIT
// Part 3, 27.3: the data integrity registers of TPM 1.1. There is one, which NV storage knows as TPM_NV_INDEX_DIR.
#include "engine/commands/chapters.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"

namespace tpm {

namespace {

// ---- 27.3.1 TPM_DirWriteAuth ----
struct DirWriteAuth {
  struct In {
    uint32_t index = 0;
    Digest contents{};
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {  // 1: the session
    TRY(require(in.index == 0, Rc::BadIndex));        // 2
    call.tpm.nv.edit().dir = in.contents;             // 3
    return Out{};
  }
};

// ---- 27.3.2 TPM_DirRead ----
struct DirRead {
  struct In {
    uint32_t index = 0;
  };
  struct Out {
    Digest contents{};
  };
  static Result<Out> run(Call& call, const In& in) {
    TRY(require(in.index == 0, Rc::BadIndex));  // 1
    return Out{call.tpm.nv->dir};               // 2
  }
};

constexpr std::array kRows = {
    delegable(OwnerPermission::DirWriteAuth,
              row<DirWriteAuth>(ordinal::DirWriteAuth, "TPM_DirWriteAuth", Needs::Unowned, owner())),
    row<DirRead>(ordinal::DirRead, "TPM_DirRead", Needs::Unowned),
};

}  // namespace

Chapter chapter_27_dir() { return kRows; }

}  // namespace tpm
