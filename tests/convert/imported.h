// SPDX-License-Identifier: MIT
// A TPM of ours made from a state of libtpms, powered on and started.
#pragma once

#include "backend/convert/convert.h"
#include "tests/engine/engine_machine.h"
#include "tests/engine/world.h"

namespace imported {

using client::Bytes;

// Why not, or what came of it.
convert::Result<convert::Converted> convert_state(const Bytes& libtpms_state);

class Imported {
 public:
  explicit Imported(const convert::Converted& converted);

  client::Tpm tpm;
  tpm::Engine& engine() { return *engine_; }

 private:
  machine::MemoryPlatform platform_;
  std::unique_ptr<tpm::Engine> engine_;
};

// The remarks of one kind, one a line.
std::string remarks(const convert::Converted& converted, bool carried);

}  // namespace imported
