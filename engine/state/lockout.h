// SPDX-License-Identifier: MIT
// The defence against guessing secrets (Part 1, 19; Part 3, 9). Wrong proofs are counted for each type of entity; past
// a threshold every further one starts a time-out, each twice as long as the one before. It is no part of a command's
// transaction: a command that fails changes nothing else. Documentation/lockout.md has the policy.
#pragma once

#include "engine/spec/other_structures.h"

namespace tpm {

struct Lockout {
  static constexpr uint16_t kThreshold = 10;
  static constexpr uint32_t kFirstSeconds = 1;
  static constexpr uint32_t kMostSeconds = 1u << 16;

  struct Guesses {
    uint16_t count = 0;
    bool running = false;  // a time-out
    uint64_t ends_at = 0;  // in the ticks of `ticks_nonce`; later ticks start it again
    Nonce ticks_nonce{};
  };
  std::array<Guesses, 13> by_type{};
  bool reset_disabled = false;  // TPM_ResetLockValue, by a wrong proof of its own during a time-out

  const Guesses& of(EntityType type) const;
  // The seconds until a proof for this type is looked at again; 0 when it is at once.
  uint32_t seconds_left(EntityType type, const CurrentTicks& now) const;
  bool running() const;
  // Whether end_what_is_over() would change anything.
  bool something_is_over(const CurrentTicks& now) const;
  void end_what_is_over(const CurrentTicks& now);

  void count(EntityType type, const CurrentTicks& now);
  // After a wrong proof for TPM_ResetLockValue (9.3, action 2).
  void refuse_reset(const CurrentTicks& now);

 private:
  static void start(Guesses& guesses, const CurrentTicks& now);
};

}  // namespace tpm
