// SPDX-License-Identifier: MIT
#include "backend/vault/sqlite.h"

#include <algorithm>
#include <chrono>
#include <ctime>

#include "backend/vault/opening.h"
#include "backend/vault/record.h"
#include "lib/base/log.h"

namespace vault {

namespace {

using base::Level;

Refusal quarantined(const std::string& why) {
  return {Refusal::Kind::Quarantined, why + "; the stored state is kept: restore it from a backup, trust it " +
                                          "again with `vtpmctl quarantine --lift`, or remove it with `vtpmctl delete`"};
}
Refusal unknown() { return {Refusal::Kind::Unknown, "there is no such instance"}; }

// Calls at most once a second.
class Paced {
 public:
  explicit Paced(const std::function<void(const std::string&)>& call) : call_(call) {}
  void say(const std::string& text) {
    auto now = std::chrono::steady_clock::now();
    if (!call_ || now - last_ < std::chrono::seconds(1)) return;
    last_ = now;
    call_(text);
  }

 private:
  const std::function<void(const std::string&)>& call_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace

Result<std::unique_ptr<SqliteVault>> SqliteVault::open(const Options& options) {
  Directory directory = TRY(told(Directory::open(options.directory, true)));
  auto lock = TRY(told(directory.lock("lock")));
  if (!lock) return broken("the state directory " + options.directory + " is in use by another manager");
  std::string path = options.directory + "/" + kDatabase;
  auto opened = open_parts(directory, path, options.key_file, options.vfs);
  if (!opened.ok()) return opened.error();
  Parts parts = std::move(opened).take();
  std::unique_ptr<SqliteVault> vault(
      new SqliteVault(options, std::move(directory), *std::move(lock), parts.master, std::move(parts.known)));
  TRY(vault->take_stock(parts.database));
  vault->store_ = std::make_unique<StoreThread>(std::move(parts.database),
                                                [path, vfs = options.vfs] { return Database::open(path, vfs, false); });
  return vault;
}

SqliteVault::SqliteVault(Options options, Directory directory, Fd lock, const MasterKey& master, Register known)
    : options_(std::move(options)),
      directory_(std::move(directory)),
      lock_(std::move(lock)),
      master_(master),
      register_(std::move(known)) {}

SqliteVault::~SqliteVault() {
  // What cannot be compacted now will be by the next manager.
  if (store_) static_cast<void>(compact());
}

// Structure first, then every row against the register.
Result<> SqliteVault::take_stock(Database& database) {
  Paced paced(options_.progress);
  auto wrong = told(database.check([&] { paced.say("checking the structure of vtpm.db"); }), kRestore);
  if (!wrong.ok()) return wrong.error();
  if (!wrong.value().empty()) {
    return broken("vtpm.db is damaged (" + wrong.value() + ")" + kRestore);
  }
  TRY(told(make_items(database), kRestore));
  auto uuids = TRY(told(all_uuids(database), kRestore));
  size_t done = 0;
  for (const Uuid& uuid : uuids) {
    TRY(take_stock_of(database, uuid));
    paced.say("checking states: " + std::to_string(++done) + " of " + std::to_string(uuids.size()));
  }
  for (const auto& [uuid, known] : register_.all()) {
    const Passage* passage = register_.ledger().find(uuid);
    if (passage != nullptr && !stored(passage->custody)) continue;
    if (!known.removed && !std::binary_search(uuids.begin(), uuids.end(), uuid)) {
      base::log(Level::Error, "instance " + text_of(uuid) + " is quarantined: its state is missing");
    }
  }
  TRY(told(tell_what_was_left(database), kRestore));
  return take_stock_of_spares(database);
}

Result<> SqliteVault::take_stock_of(Database& database, const Uuid& uuid) {
  Register::Known* known = register_.find(uuid);
  if (known != nullptr && known->removed) {
    base::log(Level::Notice, "instance " + text_of(uuid) + " had been removed: its row goes");
    return told(delete_for_ever(database, uuid), "");
  }
  if (TRY(finish_restoring(database, uuid))) {
    base::log(Level::Notice, "instance " + text_of(uuid) + " had been restored from a backup: it is here");
    known = register_.find(uuid);
  }
  if (const Passage* passage = register_.ledger().find(uuid); passage != nullptr && !stored(passage->custody)) {
    base::log(Level::Notice, "instance " + text_of(uuid) + " is at another host: its row goes");
    return told(delete_row(database, uuid), "");
  }
  auto row = TRY(told(read_row(database, uuid), kRestore));
  auto instance = row ? opened(*row) : Result<Instance>(unknown());
  if (instance.ok() && known == nullptr) {
    // A crash between the first write of an instance and that of the register leaves a row that nobody knows.
    register_.add(uuid);
    base::log(Level::Notice, "instance " + text_of(uuid) + " was not in the register: added");
    return write_register();
  }
  auto sound = instance.ok() ? examine(uuid, *row, instance.value()) : Result<>(instance.error());
  if (!sound.ok()) base::log(Level::Error, "instance " + text_of(uuid) + " is quarantined: " + sound.error().text);
  return {};
}

Result<> SqliteVault::write_register() { return told(directory_.write(Register::kName, register_.sealed(master_))); }

Result<Row> SqliteVault::read(const Uuid& uuid, Table table) {
  std::optional<Row> found;
  auto select = [&](Database& database) -> Sql<Result<>> {
    found = TRY(read_row(database, uuid, table));
    return Result<>();
  };
  TRY(change({.apply = select}));
  if (!found) return quarantined("its state is missing");
  return std::move(*found);
}

Result<Instance> SqliteVault::opened(const Row& row) const {
  auto plain = unseal(master_, row.uuid, Purpose::Record, change_of(row), row.record);
  if (!plain) return quarantined("its record is damaged or was sealed with another master key");
  auto record = wire::decode<Record>(*plain);
  if (!record.ok()) return quarantined("its record is of an unknown form");
  Record& r = record.value();
  return Instance{r.key, r.settings, r.created, row.epoch, wire::SizedBytes(base::View(row.permanent)), r.power};
}

// Everything but an administrator's quarantine.
Result<> SqliteVault::examine(const Uuid& uuid, const Row& row, const Instance& instance) const {
  auto known = register_.all().find(uuid);
  auto seen = seen_.find(uuid);
  bool older = (known != register_.all().end() && row.epoch < known->second.epoch) ||
               (seen != seen_.end() && row.epoch < seen->second);
  if (older) return quarantined("its state is older than one seen before");
  bool opens = row.epoch == 0 ? row.permanent.empty()
                              : unseal(instance.key, uuid, Purpose::Permanent, row.epoch, row.permanent).has_value();
  if (!opens) return quarantined("its permanent state does not open");
  return {};
}

Result<> SqliteVault::unused(const Uuid& uuid) {
  TRY(here(uuid));
  if (Register::Known* old = register_.find(uuid)) {
    return Refusal{Refusal::Kind::Exists, old->removed ? "the instance was removed; its uuid is not used again"
                                                       : "there is such an instance already"};
  }
  return {};
}

Result<> SqliteVault::create(const Uuid& uuid, const Settings& settings, const std::vector<ItemValue>& items) {
  TRY(unused(uuid));
  if (TRY(create_from_spare(uuid, settings, items))) return {};
  return insert_new(uuid, settings, {}, items, deed(Happened::Created));
}

Result<> SqliteVault::create_from(const Uuid& uuid, const Settings& settings, base::View permanent,
                                  const std::vector<ItemValue>& items, const std::string& whose) {
  TRY(unused(uuid));
  return insert_new(uuid, settings, permanent, items, deed(Happened::Imported, whose));
}

// Without a permanent state: it has none yet.
Result<> SqliteVault::insert_new(const Uuid& uuid, const Settings& settings, base::View permanent,
                                 const std::vector<ItemValue>& items, const Deed& first) {
  Instance instance{.settings = settings, .created = static_cast<uint64_t>(::time(nullptr))};
  fill_random(instance.key);
  Row row{.uuid = uuid, .record = sealed_record(master_, uuid, 1, instance)};
  if (!permanent.empty()) {
    row.epoch = 1;
    row.permanent = seal(instance.key, uuid, Purpose::Permanent, row.epoch, permanent);
  }
  auto insert = [&](Database& database) -> Sql<Result<>> {
    TRY(insert_row(database, row));
    static_cast<void>(TRY(write_items(database, uuid, items)));
    TRY(begin_history(database, uuid, first));
    return Result<>();
  };
  TRY(change({insert, [&](const Database& database) { return has_record(database, uuid, row.record); }}));
  register_.add(uuid);
  return write_register();
}

Result<Lease> SqliteVault::lease(const Uuid& uuid) {
  if (!leased_.insert(uuid).second) return Refusal{Refusal::Kind::Leased, "another device serves this instance"};
  return Lease(*this, uuid);
}

Result<Instance> SqliteVault::load(const Uuid& uuid) {
  Register::Known* known = register_.find(uuid);
  if (known == nullptr) return unknown();
  if (known->removed) return quarantined("the instance was removed");
  TRY(here(uuid));
  return load_locked(uuid);
}

Result<Instance> SqliteVault::load_locked(const Uuid& uuid) {
  Register::Known* known = register_.find(uuid);
  if (known == nullptr) return unknown();
  if (!known->quarantine.empty()) return quarantined("it is quarantined: " + known->quarantine);
  Row row = TRY(read(uuid));
  Instance instance = TRY(opened(row));
  TRY(examine(uuid, row, instance));
  return instance;
}

void SqliteVault::commit(const Uuid& uuid, uint64_t expected, base::View permanent, Done done) {
  Register::Known* known = register_.find(uuid);
  if (known == nullptr || known->removed) return done(unknown());
  if (!known->quarantine.empty()) return done(quarantined("it is quarantined: " + known->quarantine));
  if (auto is_here = here(uuid); !is_here.ok()) return done(is_here.error());
  if (auto seen = seen_.find(uuid); seen != seen_.end() && seen->second > expected + 1) {
    return done(Refusal{Refusal::Kind::Conflict, "the stored epoch is another one"});
  }
  auto blob = std::make_shared<base::Bytes>(base::copy_of(permanent));
  auto holds = [uuid, expected, blob](const Database& database) -> Sql<bool> {
    auto row = TRY(read_row(database, uuid));
    return row && row->epoch == expected + 1 && row->permanent == *blob;
  };
  auto apply = [uuid, expected, blob, holds](Database& database) -> Sql<Result<>> {
    if (TRY(write_permanent(database, uuid, expected, *blob)) || TRY(holds(database))) return Result<>();
    return Result<>(Refusal{Refusal::Kind::Conflict, "the stored epoch is another one"});
  };
  store_->post({apply, holds, [this, uuid, expected, done = std::move(done)](Result<> outcome) {
                  if (outcome.ok()) seen_[uuid] = std::max(seen_[uuid], expected + 1);
                  done(std::move(outcome));
                }});
}

Result<> SqliteVault::set_power(const Uuid& uuid, const Power& power) {
  Row row = TRY(read(uuid));
  Instance instance = TRY(opened(row));
  instance.power = power;
  base::Bytes record = sealed_record(master_, uuid, change_of(row) + 1, instance);
  return change({.apply = [&](Database& database) -> Sql<Result<>> {
                   TRY(write_record(database, uuid, record));
                   return Result<>();
                 },
                 .holds = [&](const Database& database) { return has_record(database, uuid, record); }});
}

Result<bool> SqliteVault::note_saved(const Uuid& uuid) {
  Register::Known* known = register_.find(uuid);
  if (known == nullptr || known->removed) return unknown();
  Row row = TRY(read(uuid));
  Power power = TRY(opened(row)).power;
  if (power.saved_stands) return false;
  power.saved_stands = true;
  TRY(set_power(uuid, power));
  return true;
}

Result<> SqliteVault::detached(const Uuid& uuid) {
  uint64_t epoch = TRY(load(uuid)).epoch;
  Register::Known* known = register_.find(uuid);
  if (known->epoch == epoch) return {};
  known->epoch = epoch;
  return write_register();
}

Result<> SqliteVault::quarantine(const Uuid& uuid, const std::string& why) {
  Register::Known* known = register_.find(uuid);
  if (known == nullptr || known->removed) return unknown();
  bool changes = known->quarantine != why;
  known->quarantine = why;
  TRY(write_register());
  Deed what = why.empty() ? deed(Happened::Lifted) : deed(Happened::Quarantined, why);
  if (changes) tell_later([&](const Database& database) { return tell(database, uuid, what); });
  return {};
}

Entry SqliteVault::entry_of(const Uuid& uuid, const Register::Known& known) {
  Entry entry{.uuid = uuid, .leased = leased_.contains(uuid)};
  const Passage* passage = register_.ledger().find(uuid);
  if (passage != nullptr && !stored(passage->custody)) {
    entry.epoch = passage->transfer.epoch;
    entry.passage = *passage;
    return entry;
  }
  auto row = read(uuid);
  auto instance = row.ok() ? opened(row.value()) : Result<Instance>(row.error());
  if (instance.ok()) {
    const Instance& i = instance.value();
    entry = {uuid,         i.created, i.epoch, i.power.kind, i.power.cycle, i.power.saved_stands, i.settings,
             entry.leased, {},        {}};
    auto sound = examine(uuid, row.value(), i);
    if (!sound.ok()) entry.quarantine = sound.error().text;
  } else {
    entry.quarantine = instance.error().text;
  }
  if (!known.quarantine.empty()) entry.quarantine = known.quarantine;
  if (passage != nullptr) entry.passage = *passage;
  return entry;
}

Result<std::vector<Entry>> SqliteVault::list() {
  std::vector<Entry> entries;
  for (const auto& [uuid, known] : register_.all()) {
    if (!known.removed) entries.push_back(entry_of(uuid, known));
  }
  return entries;
}

Result<Entry> SqliteVault::entry(const Uuid& uuid) {
  Register::Known* known = register_.find(uuid);
  if (known == nullptr || known->removed) return unknown();
  return entry_of(uuid, *known);
}

// The register first: a removed instance whose row is left over must not come back.
Result<> SqliteVault::remove(const Uuid& uuid) {
  Register::Known* known = register_.find(uuid);
  if (known == nullptr || known->removed) return unknown();
  if (leased_.contains(uuid)) return Refusal{Refusal::Kind::Leased, "a device serves this instance: detach it first"};
  TRY(here(uuid));
  known->removed = true;
  TRY(write_register());
  return change({.apply = [&](Database& database) -> Sql<Result<>> {
                   TRY(delete_for_ever(database, uuid));
                   return Result<>();
                 },
                 .holds = [&](const Database& database) -> Sql<bool> { return !TRY(read_row(database, uuid)); }});
}

// Key and register of the new master key lie ready before the database changes to it, and take their places after;
// whoever opens the vault in between finishes what the database says.
Result<> SqliteVault::renew_master(const std::optional<base::Secret<32>>& given) {
  bool own_key = options_.key_file.empty();
  if (!own_key && !given) {
    return broken("the master key is " + options_.key_file +
                  ": name the new one with --new-key, and put it in its place afterwards");
  }
  MasterKey next;
  if (given) {
    next = *given;
  } else {
    fill_random(next);
  }
  if (own_key) TRY(told(directory_.write(kNextKey, next.reveal())));
  TRY(told(directory_.write(Register::kNextName, register_.sealed(next))));
  base::Bytes identity = seal_identity(next, register_.vault());
  auto apply = [&](Database& database) -> Sql<Result<>> {
    for (const Uuid& uuid : TRY(all_uuids(database))) {
      auto row = TRY(read_row(database, uuid));
      auto instance = opened(*row);
      // What cannot be read now could not be read later either; under the old key a backup still opens it.
      if (!instance.ok()) continue;
      TRY(write_record(database, uuid, sealed_record(next, uuid, change_of(*row) + 1, instance.value())));
    }
    TRY(renew_items(database, next));
    // Made with the old key, used by nobody: they are made anew.
    TRY(delete_spares(database));
    TRY(write_identity(database, identity));
    return Result<>();
  };
  auto holds = [&](const Database& database) -> Sql<bool> { return TRY(read_head(database)).identity == identity; };
  TRY(change({apply, holds}));
  master_ = next;
  spares_.clear();
  TRY(told(directory_.rename(Register::kNextName, Register::kName)));
  if (own_key) TRY(told(directory_.rename(kNextKey, kKey)));
  return compact();
}

Result<> SqliteVault::renew_key(const Uuid& uuid, const Power& power) {
  Row row = TRY(read(uuid));
  Instance instance = TRY(opened(row));
  TRY(examine(uuid, row, instance));
  InstanceKey old = instance.key;
  fill_random(instance.key);
  if (row.epoch > 0) {
    auto plain = unseal(old, uuid, Purpose::Permanent, row.epoch, row.permanent);
    if (!plain) return quarantined("its permanent state does not open");
    row.permanent = seal(instance.key, uuid, Purpose::Permanent, row.epoch, *plain);
  }
  instance.power = power;
  if (!power.snapshot.empty()) {
    auto plain = unseal(old, uuid, Purpose::Snapshot, power.epoch, power.snapshot);
    if (!plain) return quarantined("its volatile state does not open");
    instance.power.snapshot = wire::SizedBytes(seal(instance.key, uuid, Purpose::Snapshot, power.epoch, *plain));
  }
  row.record = sealed_record(master_, uuid, change_of(row) + 1, instance);
  auto apply = [&](Database& database) -> Sql<Result<>> {
    if (TRY(write_renewed(database, row))) {
      TRY(tell(database, uuid, deed(Happened::Rekeyed)));
      return Result<>();
    }
    return Result<>(Refusal{Refusal::Kind::Conflict, "the stored epoch is another one"});
  };
  return change(
      {.apply = apply, .holds = [&](const Database& database) { return has_record(database, uuid, row.record); }});
}

Result<> SqliteVault::compact() {
  return change({.apply = [](Database& database) -> Sql<Result<>> {
                   TRY(database.run("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);"));
                   return Result<>();
                 },
                 .alone = true});
}

}  // namespace vault
