// SPDX-License-Identifier: MIT
// Machine: the TPM under test as its platform sees it. The tests know no more of it than this, so that the cases of
// tests/differential run against the engine and against libtpms.
#pragma once

#include <memory>
#include <optional>

#include "tests/engine/tpm_client.h"

namespace machine {

using client::Bytes;

// Everything a TPM holds, to start another one like it.
struct Snapshot {
  Bytes permanent;
  Bytes volatile_state;
};

class Machine {
 public:
  virtual ~Machine() = default;
  virtual Bytes execute(const Bytes& command, uint8_t locality) = 0;
  // TPM_Init: the power goes and comes back. No TPM_Startup follows by itself.
  virtual void power_cycle() = 0;
  virtual Snapshot snapshot() = 0;
  // The clock goes on while nothing happens.
  virtual void let_time_pass(uint64_t seconds) = 0;
  // The number of times that permanent state was made durable.
  virtual size_t commits() = 0;
  // From now on making permanent state durable fails, or works again.
  virtual void break_disk(bool broken) = 0;
};

// A fresh TPM as a maker ships it, powered on, before TPM_Startup.
std::unique_ptr<Machine> make(bool with_endorsement_key = true);
// The TPM that `snapshot` was taken of.
std::unique_ptr<Machine> make(const Snapshot& snapshot);

}  // namespace machine
