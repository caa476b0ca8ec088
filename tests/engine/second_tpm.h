// SPDX-License-Identifier: MIT
// A TPM of its own beside that of a World: another endorsement key, owner, SRK and tpmProof.
#pragma once

#include "tests/engine/world.h"

namespace world {

struct SecondTpm {
  SecondTpm() : machine_(machine::make()) {
    World::must(tpm.startup(), "Startup");
    auto ek = tpm.read_pubek();
    World::must(ek.reply, "ReadPubek");
    auto taken = tpm.take_ownership(ek.value, owner_auth, srk_auth);
    World::must(taken.reply, "TakeOwnership");
    srk = taken.value;
  }

  std::unique_ptr<machine::Machine> machine_;
  Tpm tpm{[this](const Bytes& command, uint8_t locality) { return machine_->execute(command, locality); }};
  const Digest owner_auth = client::secret("second owner");
  const Digest srk_auth = client::secret("second srk");
  Key srk;
};

}  // namespace world
