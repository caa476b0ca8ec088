// SPDX-License-Identifier: MIT
// Links the chapters' tests to the engine; tests/differential has the other side of this seam.
#include "tests/engine/engine_machine.h"

namespace machine {

std::unique_ptr<Machine> make(bool with_endorsement_key) {
  return std::make_unique<EngineMachine>(with_endorsement_key);
}
std::unique_ptr<Machine> make(const Snapshot& snapshot) { return std::make_unique<EngineMachine>(snapshot); }

}  // namespace machine
