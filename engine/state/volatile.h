// SPDX-License-Identifier: MIT
// What a loss of power loses (Part 2, 7.2, 7.3, 7.5, 7.6).
#pragma once

#include "engine/spec/types.h"

namespace tpm {

// TPM_STCLEAR_FLAGS and TPM_STCLEAR_DATA: reset by Startup(ST_CLEAR), kept over SaveState and Startup(ST_STATE).
struct StClear {
  bool deactivated = false;
  bool disable_force_clear = false;
  bool physical_presence = false;
  bool physical_presence_lock = false;
  bool global_lock = false;
  uint32_t owner_reference = kOwnerHandle;
  Nonce context_nonce_key{};
  uint32_t deferred_presence = 0;  // deferredPhysicalPresence
};

// TPM_STANY_FLAGS and TPM_STANY_DATA: reset by every TPM_Init.
struct StAny {
  bool post_initialise = true;
  bool failed = false;     // self-test failed, or the volatile state was lost
  bool full_tested = false;
  uint32_t transport_exclusive = 0;
  bool tos_present = false;
  Nonce tick_nonce{};
  uint64_t ticks_us = 0;   // when `ticks_since_us` of the host's clock was
  uint64_t ticks_since_us = 0;
  Nonce context_nonce_session{};
};

// A running SHA-1 thread (Part 3, 13.1-13.4): the state of the hash, so that it can be moved with the TPM.
struct Sha1Thread {
  bool running = false;
  std::array<uint32_t, 5> chain{};
  uint64_t n_bytes = 0;
  std::array<uint8_t, 64> block{};  // the tail that makes no whole block yet

  void start();
  void update(View bytes);
  Digest complete(View last);
};

}  // namespace tpm
