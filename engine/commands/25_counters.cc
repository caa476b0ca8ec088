// SPDX-License-Identifier: MIT
// Part 3, 25: monotonic counters. Nothing slows increments down (25.2): the state is not in memory that wears out.
#include "engine/commands/chapters.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"

namespace tpm {

namespace {

// What 25.4 (actions 2-4) and 25.5 (3-5) do to a counter that there is.
void release(Tpm& tpm, const Counter& counter) {
  uint32_t id = counter.id;
  Digest digest = counter.digest();
  tpm.sessions.edit().end_entity(EntityType::Counter, &digest);
  tpm.counters.edit().release(id);
  if (tpm.active_counter->id == id) tpm.active_counter.edit().id = kReleasedCounter;
}

// ---- 25.1 TPM_CreateCounter ----
struct CreateCounter {
  struct In {
    EncAuth enc_auth;
    std::array<uint8_t, 4> label{};
  };
  struct Out {
    uint32_t id = 0;
    CounterValue value;
  };
  static Result<Out> run(Call& call, const In& in) {         // 1: the session
    Secret auth = TRY(call.auth(0).open_even(in.enc_auth));  // 3
    const Counters& counters = *call.tpm.counters;
    TRY(require(counters.free_slots() > 0, Rc::Resources));  // 4
    TRY(require(counters.base != UINT32_MAX, Rc::BadCounter));
    const Counter& made = call.tpm.counters.edit().create(in.label, auth);  // 5-8
    call.auth(0).close();                                                   // 2
    return Out{made.id, made.value};                                        // 9
  }
};

// ---- 25.2 TPM_IncrementCounter ----
struct IncrementCounter {
  struct In {
    uint32_t id = 0;
  };
  struct Out {
    CounterValue value;
  };
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    uint32_t active = tpm.active_counter->id;
    TRY(require(active == kNoCounter || active == in.id, Rc::BadCounter));  // 2.a
    const Counter* counter = tpm.counters->find(in.id);
    TRY(require(counter != nullptr, Rc::BadCounter));                // 1.a
    TRY(call.authorize(0, Entity::of(*counter)));                    // 1.b, 2.b
    Out out{TRY(tpm.counters.edit().increment(in.id))};              // 3-4
    if (active == kNoCounter) tpm.active_counter.edit().id = in.id;  // 1.c
    return out;
  }
};

// ---- 25.3 TPM_ReadCounter ----
struct ReadCounter {
  struct In {
    uint32_t id = 0;
  };
  struct Out {
    CounterValue value;
  };
  static Result<Out> run(Call& call, const In& in) {
    const Counter* counter = call.tpm.counters->find(in.id);
    TRY(require(counter != nullptr, Rc::BadCounter));  // 1
    return Out{counter->value};                        // 2
  }
};

// ---- 25.4 TPM_ReleaseCounter ----
struct ReleaseCounter {
  struct In {
    uint32_t id = 0;
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {
    const Counter* counter = call.tpm.counters->find(in.id);
    TRY(require(counter != nullptr, Rc::BadCounter));
    TRY(call.authorize(0, Entity::of(*counter)));  // 1
    release(call.tpm, *counter);                   // 2-4
    return Out{};
  }
};

// ---- 25.5 TPM_ReleaseCounterOwner ----
struct ReleaseCounterOwner {
  struct In {
    uint32_t id = 0;
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {  // 1: the session
    const Counter* counter = call.tpm.counters->find(in.id);
    TRY(require(counter != nullptr, Rc::BadCounter));  // 2
    release(call.tpm, *counter);                       // 3-5
    return Out{};
  }
};

constexpr std::array kRows = {
    delegable(OwnerPermission::CreateCounter, row<CreateCounter>(ordinal::CreateCounter, "TPM_CreateCounter",
                                                                 Needs::Operational, owner(Protocol::Osap))),
    row<IncrementCounter>(ordinal::IncrementCounter, "TPM_IncrementCounter", Needs::Operational, deferred()),
    row<ReadCounter>(ordinal::ReadCounter, "TPM_ReadCounter", Needs::Unowned),
    row<ReleaseCounter>(ordinal::ReleaseCounter, "TPM_ReleaseCounter", Needs::Unowned, deferred()),
    delegable(
        OwnerPermission::ReleaseCounterOwner,
        row<ReleaseCounterOwner>(ordinal::ReleaseCounterOwner, "TPM_ReleaseCounterOwner", Needs::Operational, owner())),
};

}  // namespace

Chapter chapter_25() { return kRows; }

}  // namespace tpm
