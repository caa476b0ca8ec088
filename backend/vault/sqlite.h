// SPDX-License-Identifier: MIT
// SqliteVault: a directory with the master key, the register of every uuid ever made, and a database with one row an
// instance. Documentation/state-format.md has the formats.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "backend/vault/durable.h"
#include "backend/vault/register.h"
#include "backend/vault/rows.h"
#include "backend/vault/store.h"
#include "backend/vault/vault.h"

namespace vault {

class SqliteVault : public Vault {
 public:
  struct Options {
    std::string directory;
    // The master key's file; empty: `master.key` in the directory, made at the first start.
    std::string key_file;
    // One of SQLite's file systems; empty: the operating system's.
    std::string vfs;
    // Called now and then with what is being done while opening takes long.
    std::function<void(const std::string&)> progress;
  };
  // Makes a new vault only in a directory that holds nothing of one. Refuses when a part is missing or does not open,
  // and says which to restore.
  static Result<std::unique_ptr<SqliteVault>> open(const Options& options);
  ~SqliteVault() override;

  Result<> create(const Uuid& uuid, const Settings& settings, const std::vector<ItemValue>& items = {}) override;
  Result<> create_copy(const Copy& copy) override;
  bool is_copy(const Uuid& uuid, const Uuid& source) override;
  Result<> create_from(const Uuid& uuid, const Settings& settings, base::View permanent,
                       const std::vector<ItemValue>& items, const std::string& whose) override;
  Result<> add_spare(const Uuid& uuid, const InstanceKey& key, const Settings& settings, base::View permanent,
                     const std::vector<ItemValue>& items) override;
  Result<> drop_spares() override;
  size_t spares(const Settings& settings) const override;
  Result<Lease> lease(const Uuid& uuid) override;
  Result<Instance> load(const Uuid& uuid) override;
  void commit(const Uuid& uuid, uint64_t expected, base::View permanent, Done done) override;
  int fd() const override { return store_->fd(); }
  void completed() override { store_->completed(); }
  Result<> set_power(const Uuid& uuid, const Power& power) override;
  Result<bool> note_saved(const Uuid& uuid) override;
  Result<> detached(const Uuid& uuid) override;
  Result<> quarantine(const Uuid& uuid, const std::string& why) override;
  Result<std::vector<Entry>> list() override;
  Result<Entry> entry(const Uuid& uuid) override;
  Result<base::Bytes> item(const Uuid& uuid, Item item) override;
  Result<> put_items(const Uuid& uuid, const std::vector<ItemValue>& values,
                     const std::vector<Deed>& deeds = {}) override;
  Result<History> history(const Uuid& uuid) override;
  const Ledger& ledger() const override { return register_.ledger(); }
  Result<> set_ledger(const Ledger& ledger) override;
  Result<> drop_state(const Uuid& uuid) override;
  bool known(const Uuid& uuid) const override { return register_.all().contains(uuid); }
  Result<> put_state(const Uuid& uuid, const Instance& plain) override;
  Result<uint64_t> put_back(const Uuid& uuid, const Return& what) override;
  Result<Instance> load_locked(const Uuid& uuid) override;
  Result<> remove(const Uuid& uuid) override;
  Result<> renew_master(const std::optional<base::Secret<32>>& given) override;
  Result<> renew_key(const Uuid& uuid, const Power& power) override;
  Result<> compact() override;

 private:
  SqliteVault(Options options, Directory directory, Fd lock, const MasterKey& master, Register known);
  void release(const Uuid& uuid) override { leased_.erase(uuid); }

  Result<> take_stock(Database& database);
  Result<> take_stock_of(Database& database, const Uuid& uuid);
  Result<> write_register();
  // Nothing when an instance may be made with it.
  Result<> unused(const Uuid& uuid);
  Result<> insert_new(const Uuid& uuid, const Settings& settings, base::View permanent,
                      const std::vector<ItemValue>& items, const Deed& first);
  // Nothing when it may be served from here.
  Result<> here(const Uuid& uuid) const;

  // items.cc
  Sql<std::vector<ItemRow>> write_items(const Database& database, const Uuid& uuid,
                                        const std::vector<ItemValue>& values) const;
  Sql<> renew_items(Database& database, const MasterKey& next) const;
  Sql<> put_spare_items(Database& database, const Uuid& spare, const std::vector<ItemValue>& values) const;
  Sql<> hand_over_items(Database& database, const Uuid& spare, const Uuid& instance) const;

  Result<base::Bytes> opened_item(const ItemRow& row) const;

  // restoring.cc
  Result<> may_be_put_back(const Uuid& uuid, bool elsewhere);
  Result<uint64_t> newest_epoch(const Uuid& uuid);
  Result<> finish_return(const Uuid& uuid, uint64_t epoch, const std::optional<Passage>& passage);
  Result<bool> finish_restoring(Database& database, const Uuid& uuid);

  // chronicle.cc
  Sql<History> history_in(const Database& database, const Uuid& uuid) const;
  Sql<> write_history(const Database& database, const Uuid& uuid, const History& history) const;
  Sql<> begin_history(const Database& database, const Uuid& uuid, const Deed& first) const;
  Sql<> tell(const Database& database, const Uuid& uuid, const Deed& deed) const;
  Sql<> tell_passage(const Database& database, const Uuid& uuid, const Passage& passage) const;
  Sql<> tell_quarantine(const Database& database, const Uuid& uuid, const Register::Known& known) const;
  void tell_later(const std::function<Sql<>(const Database&)>& tells);
  void tell_passages(const Ledger& before);
  Sql<> delete_for_ever(const Database& database, const Uuid& uuid) const;
  Sql<> tell_what_was_left(Database& database) const;

  // spares.cc
  Result<> take_stock_of_spares(Database& database);
  Result<Instance> opened_spare(const Row& row) const;
  Result<bool> create_from_spare(const Uuid& uuid, const Settings& settings, const std::vector<ItemValue>& items);
  Result<> take_spare(const Uuid& spare, const Row& made, const std::vector<ItemValue>& items);
  Result<> drop_spare(const Uuid& spare);
  Result<Row> read(const Uuid& uuid, Table table = Table::Instances);
  Result<Instance> opened(const Row& row) const;
  Result<> examine(const Uuid& uuid, const Row& row, const Instance& instance) const;
  Entry entry_of(const Uuid& uuid, const Register::Known& known);
  Result<> change(Job job) { return store_->wait_for(std::move(job)); }

  Options options_;
  Directory directory_;
  Fd lock_;
  MasterKey master_;
  Register register_;
  std::set<Uuid> leased_;
  std::map<Uuid, Settings> spares_;
  std::map<Uuid, uint64_t> seen_;  // the newest epoch that was durable
  std::unique_ptr<StoreThread> store_;
};

}  // namespace vault
