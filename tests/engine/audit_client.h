// SPDX-License-Identifier: MIT
// The audit commands of Part 3, 8, and a log that somebody outside keeps beside the TPM's.
#pragma once

#include "tests/engine/tpm_client.h"

namespace client {

struct AuditState {
  uint32_t count = 0;
  Digest digest{};
  bool more = false;
  std::vector<uint32_t> ordinals;
};

class Audit {
 public:
  explicit Audit(Tpm& tpm) : tpm_(tpm) {}
  Answer<AuditState> digest(uint32_t first = 0);
  Reply set(uint32_t ordinal, bool audited, const Digest& owner);

 private:
  Tpm& tpm_;
};

// The digest as Part 3, 8.1 lets anybody recompute it.
class AuditLog {
 public:
  explicit AuditLog(uint32_t count) : count_(count) {}
  void input(const Command& command);
  void output(const Command& command, const Reply& reply);
  void both(const Command& command, const Reply& reply) {
    input(command);
    output(command, reply);
  }
  const Digest& digest() const { return digest_; }

 private:
  void extend(uint16_t tag, const Digest& parameters);
  uint32_t count_;
  Digest digest_{};
};

}  // namespace client
