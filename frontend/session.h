// SPDX-License-Identifier: MIT
// Session: TPM commands for clients that do not see rings come and go. Every command gets a response.
#pragma once

#include "frontend/shim.h"

namespace frontend {

// Whether the TPM may execute it once more when the answer to the first time is lost: it carries no authorisation, and
// changes nothing that anybody could miss.
bool repeatable(base::View command);

class Session {
 public:
  struct Patience {
    std::chrono::milliseconds connect{};  // for the backend
    std::chrono::milliseconds command{};  // until a command is cancelled
  };
  Session(Shim& shim, Patience patience) : shim_(shim), patience_(patience) {}

  // The TPM's response; TPM_FAIL when there is none, which is logged. Connects when that is needed. A command whose
  // ring has ended under it is sent again when it is repeatable(), and never between TPM_SaveState and TPM_Startup:
  // whatever the TPM executes then makes the saved state void (Part 3, 3.3).
  base::Bytes execute(base::View command, uint8_t locality);

 private:
  xen::Result<base::Bytes> attempt(base::View command, uint8_t locality);

  Shim& shim_;
  Patience patience_;
  bool state_saved_ = false;
};

}  // namespace frontend
