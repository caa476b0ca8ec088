// SPDX-License-Identifier: MIT
// The counter commands of Part 3, 25, for the client.
#pragma once

#include "tests/engine/tpm_client.h"

namespace client {

inline constexpr uint16_t kEtCounter = 0x0a;

// TPM_COUNTER_VALUE, and the id where the answer has one.
struct CounterRead {
  uint32_t id = 0;
  Bytes label;
  uint32_t count = 0;
};

class Counters {
 public:
  explicit Counters(Tpm& tpm) : tpm_(tpm) {}

  // `label` has four characters.
  Answer<CounterRead> create(const Digest& owner, const Digest& auth, std::string_view label);
  Answer<CounterRead> increment(uint32_t id, const Digest& auth);
  Answer<CounterRead> read(uint32_t id);
  Reply release(uint32_t id, const Digest& auth);
  Reply release_as_owner(uint32_t id, const Digest& owner);
  // TPM_CAP_PROP_ACTIVE_COUNTER.
  uint32_t active();

 private:
  Tpm& tpm_;
};

}  // namespace client
