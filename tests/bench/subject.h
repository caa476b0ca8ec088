// SPDX-License-Identifier: MIT
// Subject: an implementation of a TPM that is measured, started and with power.
#pragma once

#include <memory>

#include "tests/engine/tpm_client.h"

namespace bench {

class Subject {
 public:
  virtual ~Subject() = default;
  virtual const char* name() const = 0;
  // Executes a command into a buffer of the subject's own; nothing here copies.
  virtual void execute(client::Bytes& command) = 0;
  virtual client::Bytes response() const = 0;
};

std::unique_ptr<Subject> make_engine();
std::unique_ptr<Subject> make_libtpms();

}  // namespace bench
