// SPDX-License-Identifier: MIT
// Platform: what the engine asks of its host. The engine itself knows no file, socket, thread or wall clock.
#pragma once

#include <cstdint>
#include <span>

#include "lib/base/bytes.h"

namespace tpm {

// One part of the volatile state that changed. The view is good for the duration of the call only.
struct JournalSection {
  uint16_t id;
  base::View body;
};

class Platform {
 public:
  virtual ~Platform() = default;

  // Fills `out` with bytes of full entropy. Cannot fail: a host without entropy must stop.
  virtual void entropy(std::span<uint8_t> out) = 0;

  // Microseconds of a clock that never goes back and runs while the platform has power.
  virtual uint64_t now_us() = 0;

  // Makes the permanent state durable. True only when it is: the response of the command becomes visible after this.
  virtual bool commit(base::View permanent) = 0;

  // Keeps the changed sections of the volatile state outside the process, so that a crash resets nothing. Called once
  // after every command that changed volatile state, after commit() and before the response is visible.
  virtual void journal(std::span<const JournalSection> changed) = 0;

  // Whether whoever sent the command in flight wants it cancelled. Asked during long computations.
  virtual bool cancelled() = 0;
};

}  // namespace tpm
