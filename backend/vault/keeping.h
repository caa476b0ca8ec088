// SPDX-License-Identifier: MIT
// Keeping: backups of instances, and what may be done with one. A backup is never another TPM: it can only be put back
// as what it is, where the instance is, or where an administrator says that its host is lost.
#pragma once

#include "backend/vault/backup.h"
#include "backend/vault/whole.h"

namespace vault {

class Keeping {
 public:
  // `name`: as for Moving.
  Keeping(Vault& vault, std::string name) : vault_(vault), name_(std::move(name)) {}

  struct Made {
    base::Bytes file;
    uint64_t epoch = 0;
    std::string print;  // of the host that signed it
  };
  // Of the state that was committed last; the instance may run. What only lives while its guest runs is not in it.
  Result<Made> backup(const Uuid& uuid, const std::vector<HostKey>& recovery);

  struct Wish {
    std::optional<base::Secret<32>> key;  // of the file; not needed on the host that made it
    std::string trusted;                  // fingerprint of the host that made it
    bool source_lost = false;             // an administrator says so
    bool confirmed = false;
  };
  struct Done {
    bool restored = false;  // it was not here before
    std::string text;       // what was done
  };
  // The caller sees to it that no domain is bound to the instance.
  Result<Done> revert(const Uuid& uuid, base::View file, const Wish& wish);

 private:
  struct Place;
  Result<Place> place_of(const Uuid& uuid);
  Result<> may_return(const Place& place, const Backup& backup, const Identity& own, const Wish& wish);
  Result<Whole> opened(const Backup& backup, const Identity& own, const Wish& wish);
  static Return reverted(const Entry& now, const Backup& backup, Whole whole);
  static Return restored(const Passage* before, const Backup& backup, const Identity& own, Whole whole);

  Vault& vault_;
  std::string name_;
};

}  // namespace vault
