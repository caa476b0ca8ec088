// SPDX-License-Identifier: MIT
// SqliteVault: instances that move between hosts. What decides who may run one is in the register, where an older
// database put back cannot undo it; the database has the states.
#include "backend/vault/opening.h"
#include "backend/vault/record.h"
#include "backend/vault/sqlite.h"

namespace vault {

namespace {
Refusal moved(std::string text) { return {Refusal::Kind::Moved, std::move(text)}; }
}  // namespace

Result<> SqliteVault::here(const Uuid& uuid) const {
  const Ledger& ledger = register_.ledger();
  const Passage* passage = ledger.find(uuid);
  if (passage != nullptr && runnable(passage->custody)) return {};
  if (passage == nullptr || !stored(passage->custody)) {
    if (ledger.awaited(uuid)) return moved("the instance is awaited from another host: import its export");
  }
  if (passage == nullptr) return {};
  base::View name = passage->other;
  std::string other(name.begin(), name.end());
  switch (passage->custody) {
    case Custody::Leaving:
      return moved("the instance is locked, as it was exported to host '" + other +
                   "': go on with `vtpmctl release`, or keep it with `vtpmctl export " + text_of(uuid) + " --abort`");
    case Custody::Arrived:
      return moved("the instance has arrived from host '" + other +
                   "' and may not run before that host's token is "
                   "imported; when the transfer was aborted there, import the notice of that; when that host is "
                   "lost for good: `vtpmctl import --source-lost " +
                   text_of(uuid) + "`");
    default:
      return moved("the instance was moved to host '" + other + "'; it is not here any more");
  }
}

Result<> SqliteVault::set_ledger(const Ledger& ledger) {
  Register next = register_;
  next.set_ledger(ledger);
  TRY(told(directory_.write(Register::kName, next.sealed(master_))));
  Ledger before = register_.ledger();
  register_ = std::move(next);
  tell_passages(before);
  return {};
}

Result<> SqliteVault::drop_state(const Uuid& uuid) {
  seen_.erase(uuid);
  return change({.apply = [&](Database& database) -> Sql<Result<>> {
                   TRY(delete_row(database, uuid));
                   return Result<>();
                 },
                 .holds = [&](const Database& database) -> Sql<bool> { return !TRY(read_row(database, uuid)); }});
}

Result<> SqliteVault::put_state(const Uuid& uuid, const Instance& plain) {
  const Passage* passage = register_.ledger().find(uuid);
  if (passage == nullptr || passage->custody != Custody::Arrived) return moved("the instance has not arrived");
  Instance instance = plain;
  fill_random(instance.key);
  Row row{.uuid = uuid, .epoch = plain.epoch};
  if (plain.epoch > 0) row.permanent = seal(instance.key, uuid, Purpose::Permanent, plain.epoch, plain.permanent);
  if (!plain.power.snapshot.empty()) {
    instance.power.snapshot =
        wire::SizedBytes(seal(instance.key, uuid, Purpose::Snapshot, plain.power.epoch, plain.power.snapshot));
  }
  row.record = sealed_record(master_, uuid, 1, instance);
  auto apply = [&](Database& database) -> Sql<Result<>> {
    TRY(delete_row(database, uuid));
    TRY(insert_row(database, row));
    return Result<>();
  };
  return change({apply, [&](const Database& database) { return has_record(database, uuid, row.record); }});
}

}  // namespace vault
