// SPDX-License-Identifier: MIT
// Part 3, 23: timing ticks.
#include "engine/commands/chapters.h"
#include "engine/commands/signing.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"
#include "engine/spec/other_structures.h"

namespace tpm {

namespace {

// ---- 23.1 TPM_GetTicks ----
struct GetTicks {
  using In = Nothing;
  struct Out {
    CurrentTicks ticks;
  };
  static Result<Out> run(Call& call, const In&) {
    return Out{call.tpm.ticks()};  // 1-3
  }
};

struct StampedTicks {
  Digest digest{};
  CurrentTicks ticks;
};

// ---- 23.2 TPM_TickStampBlob ----
struct TickStampBlob {
  struct In {
    KeyHandle key;
    Nonce anti_replay{};
    Digest digest{};
  };
  struct Out {
    CurrentTicks ticks;
    wire::SizedBytes signature;
  };
  static Result<Out> run(Call& call, const In& in) {
    TRY(require(may_sign(in.key->blob.usage), Rc::InvalidKeyUsage));                         // 2 (1: the session)
    TRY(require(signs_structures(in.key->blob.parms.sig_scheme), Rc::InappropriateSig));     // 3
    Out out{.ticks = call.tpm.ticks()};                                                      // 5 (4: TPM_Init did)
    SignInfo info{.fixed = {'T', 'S', 'T', 'P'}, .replay = in.anti_replay};                  // 6.a-b
    info.data = wire::SizedBytes(wire::encode(StampedTicks{in.digest, out.ticks}));          // 6.c-e
    out.signature = TRY(signed_by(*in.key, info));                                           // 7
    return out;                                                                              // 8
  }
};

constexpr std::array kRows = {
    row<GetTicks>(ordinal::GetTicks, "TPM_GetTicks", Needs::Unowned),
    delegable(KeyPermission::TickStampBlob,
              row<TickStampBlob>(ordinal::TickStampBlob, "TPM_TickStampBlob", Needs::Operational,
                                 optional(key<&TickStampBlob::In::key>()))),
};

}  // namespace

Chapter chapter_23() { return kRows; }

}  // namespace tpm
