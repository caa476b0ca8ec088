// SPDX-License-Identifier: MIT
// SqliteVault: TPMs made in advance. A spare and the instance that is made of it never exist at once: one transaction
// deletes the one and inserts the other. The register remembers which were used, so that an older database put back has
// none of them to give again.
#include <algorithm>
#include <ctime>

#include "backend/vault/opening.h"
#include "backend/vault/record.h"
#include "backend/vault/sqlite.h"
#include "lib/base/log.h"

namespace vault {

namespace {

using base::Level;

// Locality and label are not in the TPM's state.
bool made_alike(const Settings& a, const Settings& b) {
  return a.physical_presence_command == b.physical_presence_command && a.endorsement_key == b.endorsement_key &&
         a.enabled == b.enabled && a.activated == b.activated;
}

Refusal unusable(const Uuid& spare) {
  return {Refusal::Kind::Broken, "the TPM made in advance " + text_of(spare) + " does not open"};
}

}  // namespace

Result<> SqliteVault::take_stock_of_spares(Database& database) {
  TRY(told(make_spares(database), kRestore));
  for (const Uuid& uuid : TRY(told(all_uuids(database, Table::Spares), kRestore))) {
    auto row = TRY(told(read_row(database, uuid, Table::Spares), kRestore));
    auto spare = row && register_.find(uuid) == nullptr ? opened_spare(*row) : Result<Instance>(unusable(uuid));
    if (spare.ok()) {
      spares_[uuid] = spare.value().settings;
    } else {
      base::log(Level::Notice, spare.error().text + " or was used: it goes");
      TRY(told(delete_row(database, uuid, Table::Spares), ""));
    }
  }
  return {};
}

Result<Instance> SqliteVault::opened_spare(const Row& row) const {
  auto plain = unseal(master_, row.uuid, Purpose::Spare, change_of(row), row.record);
  auto record = plain ? wire::decode<Record>(*plain) : wire::Result<Record>(wire::Malformed{});
  if (!record.ok()) return unusable(row.uuid);
  const Record& r = record.value();
  if (!unseal(r.key, row.uuid, Purpose::Permanent, row.epoch, row.permanent)) return unusable(row.uuid);
  return Instance{r.key, r.settings, r.created, row.epoch, wire::SizedBytes(base::View(row.permanent)), r.power};
}

Result<> SqliteVault::add_spare(const Uuid& uuid, const InstanceKey& key, const Settings& settings,
                                base::View permanent, const std::vector<ItemValue>& items) {
  Instance spare{.key = key, .settings = settings, .created = static_cast<uint64_t>(::time(nullptr))};
  Row row{.uuid = uuid,
          .epoch = 1,
          .record = sealed_record(master_, uuid, 1, spare, Purpose::Spare),
          .permanent = base::copy_of(permanent)};
  TRY(opened_spare(row));
  auto insert = [&](Database& database) -> Sql<Result<>> {
    TRY(insert_row(database, row, Table::Spares));
    TRY(put_spare_items(database, uuid, items));
    return Result<>();
  };
  auto holds = [&](const Database& database) { return has_record(database, uuid, row.record, Table::Spares); };
  TRY(change({.apply = insert, .holds = holds}));
  spares_[uuid] = settings;
  return {};
}

Result<> SqliteVault::drop_spares() {
  if (spares_.empty()) return {};
  spares_.clear();
  return change(
      {.apply = [](Database& database) -> Sql<Result<>> {
         TRY(delete_spares(database));
         return Result<>();
       },
       .holds = [](const Database& database) -> Sql<bool> { return TRY(all_uuids(database, Table::Spares)).empty(); }});
}

size_t SqliteVault::spares(const Settings& settings) const {
  return static_cast<size_t>(std::count_if(spares_.begin(), spares_.end(),
                                           [&](const auto& spare) { return made_alike(spare.second, settings); }));
}

// False: there is none that fits. One that cannot be used goes, and the next one is tried.
Result<bool> SqliteVault::create_from_spare(const Uuid& uuid, const Settings& settings,
                                            const std::vector<ItemValue>& items) {
  while (true) {
    auto fits = std::find_if(spares_.begin(), spares_.end(),
                             [&](const auto& spare) { return made_alike(spare.second, settings); });
    if (fits == spares_.end()) return false;
    Uuid spare = fits->first;
    auto row = read(spare, Table::Spares);
    auto found = row.ok() ? opened_spare(row.value()) : Result<Instance>(row.error());
    if (!found.ok()) {
      base::log(Level::Error, found.error().text);
      TRY(drop_spare(spare));
      continue;
    }
    auto plain = unseal(found.value().key, spare, Purpose::Permanent, 1, found.value().permanent);
    Instance instance{.settings = settings, .created = static_cast<uint64_t>(::time(nullptr))};
    fill_random(instance.key);
    Row made{.uuid = uuid,
             .epoch = 1,
             .record = sealed_record(master_, uuid, 1, instance),
             .permanent = seal(instance.key, uuid, Purpose::Permanent, 1, *plain)};
    spares_.erase(fits);  // whatever comes of it
    TRY(take_spare(spare, made, items));
    return true;
  }
}

Result<> SqliteVault::take_spare(const Uuid& spare, const Row& made, const std::vector<ItemValue>& items) {
  auto apply = [&](Database& database) -> Sql<Result<>> {
    TRY(hand_over_items(database, spare, made.uuid));
    TRY(delete_row(database, spare, Table::Spares));
    if (database.changed() != 1) return Result<>(unusable(spare));
    TRY(insert_row(database, made));
    static_cast<void>(TRY(write_items(database, made.uuid, items)));
    TRY(begin_history(database, made.uuid, deed(Happened::Created)));
    return Result<>();
  };
  TRY(change({apply, [&](const Database& database) { return has_record(database, made.uuid, made.record); }}));
  register_.add(made.uuid);
  register_.add(spare).removed = true;
  return write_register();
}

Result<> SqliteVault::drop_spare(const Uuid& spare) {
  spares_.erase(spare);
  return change(
      {.apply = [&](Database& database) -> Sql<Result<>> {
         TRY(delete_row(database, spare, Table::Spares));
         return Result<>();
       },
       .holds = [&](const Database& database) -> Sql<bool> { return !TRY(read_row(database, spare, Table::Spares)); }});
}

}  // namespace vault
