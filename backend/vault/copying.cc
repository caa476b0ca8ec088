// SPDX-License-Identifier: MIT
// SqliteVault: instances that are made as copies of others, in one transaction with what both histories tell of it.
#include <ctime>

#include "backend/vault/opening.h"
#include "backend/vault/record.h"
#include "backend/vault/sqlite.h"

namespace vault {

namespace {
std::string of_source(const Uuid& source) { return "of " + text_of(source) + ", "; }
}  // namespace

Result<> SqliteVault::create_copy(const Copy& copy) {
  TRY(unused(copy.uuid));
  TRY(here(copy.source));
  Instance instance{.settings = copy.settings, .created = static_cast<uint64_t>(::time(nullptr))};
  fill_random(instance.key);
  Row row{.uuid = copy.uuid,
          .epoch = copy.epoch,
          .record = sealed_record(master_, copy.uuid, 1, instance),
          .permanent = seal(instance.key, copy.uuid, Purpose::Permanent, copy.epoch, copy.permanent)};
  auto apply = [&](Database& database) -> Sql<Result<>> {
    TRY(insert_row(database, row));
    static_cast<void>(TRY(write_items(database, copy.uuid, copy.items)));
    TRY(begin_history(database, copy.uuid,
                      deed(Happened::ClonedFrom, of_source(copy.source) + copy.identity, copy.epoch)));
    TRY(tell(database, copy.source, deed(Happened::ClonedTo, text_of(copy.uuid) + ", " + copy.identity)));
    return Result<>();
  };
  TRY(change({apply, [&](const Database& database) { return has_record(database, copy.uuid, row.record); }}));
  seen_[copy.uuid] = copy.epoch;
  register_.add(copy.uuid);
  return write_register();
}

bool SqliteVault::is_copy(const Uuid& uuid, const Uuid& source) {
  if (!entry(uuid).ok()) return false;
  auto told = history(uuid);
  if (!told.ok() || told.value().deeds.items.empty()) return false;
  const Deed& first = told.value().deeds.items.front();
  base::View text = first.text;
  return first.what == Happened::ClonedFrom && std::string(text.begin(), text.end()).starts_with(of_source(source));
}

}  // namespace vault
