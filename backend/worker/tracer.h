// SPDX-License-Identifier: MIT
// Tracer: tells commands and their responses to whoever reads the socket, secrets hidden, and never waits for him.
#pragma once

#include "backend/ring/page.h"
#include "backend/trace/record.h"
#include "backend/vault/durable.h"
#include "engine/engine.h"

namespace backend {

class Tracer {
 public:
  explicit Tracer(vault::Fd reader) : reader_(std::move(reader)) {}
  bool has_reader() const { return static_cast<bool>(reader_); }
  // Like the engine's own, but from and to memory of ours: what is told is what was executed and answered, whatever the
  // guest makes of its page meanwhile.
  size_t execute(tpm::Engine& engine, const Request& request, base::ForeignBytes response);
  // The command that was executed last, once its response is with the guest.
  void tell(uint64_t took_us);

 private:
  vault::Fd reader_;  // nothing when he has gone
  trace::Record record_;
};

}  // namespace backend
