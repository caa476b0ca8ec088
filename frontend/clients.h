// SPDX-License-Identifier: MIT
// Clients: where commands come from and answers go.
#pragma once

#include "frontend/session.h"

namespace frontend {

class Clients {
 public:
  virtual ~Clients() = default;
  // Readable when serve() has something to do.
  virtual int fd() const = 0;
  // One step: a client, or a command and its answer. An error: there will never be a client again.
  virtual xen::Result<> serve(Session& session) = 0;
};

}  // namespace frontend
