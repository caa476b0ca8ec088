// SPDX-License-Identifier: MIT
// Monotonic counters (Part 1, 20; Part 3, 25).
#pragma once

#include "engine/spec/other_structures.h"
#include "engine/spec/rc.h"

namespace tpm {

// TPM_COUNT_ID: what stands for no counter, and for one that was the active one until it was released.
inline constexpr uint32_t kNoCounter = 0xffffffff;
inline constexpr uint32_t kReleasedCounter = 0xfffffffe;

struct Counter {
  uint32_t id = 0;
  CounterValue value;
  Secret auth;

  // What an OSAP session for the counter is bound to.
  Digest digest() const;
};

struct Counters {
  static constexpr size_t kSlots = 8;

  // The highest value that any counter of this TPM ever had: no new one starts at or below it.
  uint32_t base = 0;
  uint32_t next_id = 1;
  wire::Counted<Counter> counters;

  size_t free_slots() const { return kSlots - counters.items.size(); }
  const Counter* find(uint32_t id) const;
  // Its value is the base plus one. Needs a free slot.
  const Counter& create(const std::array<uint8_t, 4>& label, const Secret& auth);
  // The new value; BadCounter at the end of its range.
  Result<CounterValue> increment(uint32_t id);
  void release(uint32_t id);
};

// The one counter that may be incremented until the next TPM_Startup(ST_CLEAR).
struct ActiveCounter {
  uint32_t id = kNoCounter;
};

}  // namespace tpm
