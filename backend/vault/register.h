// SPDX-License-Identifier: MIT
// Register: every uuid ever made, in an authenticated file beside the database. What it knows cannot become new again.
#pragma once

#include <map>

#include "backend/vault/durable.h"
#include "backend/vault/vault.h"

namespace vault {

using MasterKey = base::Secret<32>;
using VaultId = std::array<uint8_t, 16>;

class Register {
 public:
  struct Known {
    uint64_t epoch = 0;  // at the last clean detach: an older state is a rollback
    bool removed = false;
    std::string quarantine;  // why
  };
  // The file, and the one that takes its place when the master key is renewed.
  static constexpr const char* kName = "register";
  static constexpr const char* kNextName = "register.next";

  explicit Register(const VaultId& vault) : vault_(vault) {}
  // Nothing: it does not open with this key, or is of another form.
  static std::optional<Register> open(base::View envelope, const MasterKey& key);
  // The next version of it.
  base::Bytes sealed(const MasterKey& key);

  const VaultId& vault() const { return vault_; }
  Known* find(const Uuid& uuid);
  Known& add(const Uuid& uuid) { return known_[uuid]; }
  const std::map<Uuid, Known>& all() const { return known_; }
  // What moves between hosts. Each uuid of it is known.
  const Ledger& ledger() const { return ledger_; }
  void set_ledger(const Ledger& ledger);

 private:
  VaultId vault_;
  uint64_t version_ = 0;
  std::map<Uuid, Known> known_;
  Ledger ledger_;
};

}  // namespace vault
