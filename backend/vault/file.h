// SPDX-License-Identifier: MIT
// FileVault: a directory with the master key, the register of every uuid ever made, and one file an instance.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "backend/vault/durable.h"
#include "backend/vault/vault.h"

namespace vault {

class FileVault : public Vault {
 public:
  // Makes a new vault only in a directory that holds nothing of one. Refuses when a part is missing or does not open.
  static Result<std::unique_ptr<FileVault>> open(const std::string& directory);

  Result<> create(const Uuid& uuid) override;
  Result<Lease> lease(const Uuid& uuid) override;
  Result<Instance> load(const Uuid& uuid) override;
  void commit(const Uuid& uuid, uint64_t expected, base::View permanent, Done done) override;
  Result<> set_power(const Uuid& uuid, const Power& power) override;
  Result<> detached(const Uuid& uuid) override;
  Result<> quarantine(const Uuid& uuid, const std::string& why) override;
  Result<std::vector<Entry>> list() override;
  Result<> remove(const Uuid& uuid) override;

 private:
  // A line of the register.
  struct Known {
    Uuid uuid{};
    uint64_t epoch = 0;  // at the last clean detach: an older state is a rollback
    bool removed = false;
    wire::SizedBytes quarantine;  // why
  };
  struct Register {
    uint64_t version = 0;
    wire::Counted<Known> known;
  };

  FileVault(Directory directory, Directory instances, Fd lock)
      : directory_(std::move(directory)), instances_(std::move(instances)), lock_(std::move(lock)) {}
  void release(const Uuid& uuid) override { leased_.erase(uuid); }

  static Result<> start_first(const Directory& directory);
  Result<> read_key_and_register();
  Result<> take_up_orphans();
  Result<> write_register();
  Result<Instance> read_instance(const Uuid& uuid);
  Result<> write_instance(const Uuid& uuid, const Instance& instance);
  Result<> store_commit(const Uuid& uuid, uint64_t expected, base::View permanent);
  Known* known(const Uuid& uuid);

  Directory directory_;
  Directory instances_;
  Fd lock_;
  base::Secret<32> master_;
  Register register_;
  std::map<Uuid, Instance> loaded_;  // what the files of loaded instances hold
  std::set<Uuid> leased_;
};

}  // namespace vault
