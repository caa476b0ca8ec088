// SPDX-License-Identifier: MIT
// SqliteVault: the histories. What the database holds is told of in the transaction that changes it. What the register
// holds is told of afterwards, and what a crash left untold is told when the vault is opened.
#include "backend/vault/opening.h"
#include "backend/vault/record.h"
#include "backend/vault/sqlite.h"
#include "lib/base/log.h"

namespace vault {

namespace {

Deed deed_of(const Passage& passage) {
  base::View name = passage.other;
  std::string host = "host '" + std::string(name.begin(), name.end()) + "'";
  uint64_t hop = passage.transfer.hop;
  switch (passage.custody) {
    case Custody::Stayed:
      return deed(Happened::Kept, "its move to " + host + " was aborted", hop);
    case Custody::Leaving:
      return deed(Happened::Exported, "locked, and exported to " + host, hop);
    case Custody::Gone:
      return deed(Happened::MovedOut, "given up for " + host, hop);
    case Custody::Arrived:
      return deed(Happened::Arrived, "from " + host, hop);
    case Custody::Come:
      return deed(Happened::Came, "given up by " + host + ", and ran here from then on", hop);
    case Custody::Restored:
      if (!inherited(passage)) return deed(Happened::Restored, "from a backup of " + host, hop);
      return deed(Happened::Restored,
                  "from the copy that had arrived from " + host +
                      ", without its token: an administrator said that the host that had it is lost",
                  hop);
    case Custody::Elsewhere:
      break;
  }
  return deed(Happened::Discarded, "its move from " + host + " was aborted there", hop);
}

bool is_last(const History& history, const Deed& deed) {
  const Deed* last = history.last({Happened::Exported, Happened::Kept, Happened::MovedOut, Happened::Arrived,
                                   Happened::Came, Happened::Discarded, Happened::Restored});
  return last != nullptr && last->what == deed.what && last->number == deed.number;
}

}  // namespace

// What is damaged is not gone on with, and that is told.
Sql<History> SqliteVault::history_in(const Database& database, const Uuid& uuid) const {
  auto row = TRY(read_item(database, uuid, Item::History));
  if (row) {
    auto bytes = opened_item(*row);
    auto history = bytes.ok() ? History::from_kept(bytes.value()) : std::nullopt;
    if (history) return std::move(*history);
    History anew;
    anew.add(deed(Happened::Lost, "what was told before was damaged"));
    return anew;
  }
  // One that was made before there were histories.
  History history;
  auto instance = TRY(read_row(database, uuid));
  auto record = instance ? opened(*instance) : Result<Instance>(Refusal{});
  if (record.ok()) {
    history.add(deed(Happened::Created));
    history.deeds.items.back().time = record.value().created;
  }
  return history;
}

Sql<> SqliteVault::write_history(const Database& database, const Uuid& uuid, const History& history) const {
  static_cast<void>(TRY(write_items(database, uuid, {{Item::History, history.kept()}})));
  return {};
}

Sql<> SqliteVault::begin_history(const Database& database, const Uuid& uuid, const Deed& first) const {
  History history;
  // Of the TPM it was made of.
  if (TRY(read_item(database, uuid, Item::History))) history = TRY(history_in(database, uuid));
  history.start_with(first);
  return write_history(database, uuid, history);
}

Sql<> SqliteVault::tell(const Database& database, const Uuid& uuid, const Deed& deed) const {
  History history = TRY(history_in(database, uuid));
  history.add(deed);
  return write_history(database, uuid, history);
}

Sql<> SqliteVault::tell_passage(const Database& database, const Uuid& uuid, const Passage& passage) const {
  // A copy brings its history, which is told to go on when both are stored.
  if (passage.custody == Custody::Arrived && !TRY(read_row(database, uuid))) return {};
  History history = TRY(history_in(database, uuid));
  Deed deed = deed_of(passage);
  if (is_last(history, deed)) return {};
  history.add(deed);
  return write_history(database, uuid, history);
}

Sql<> SqliteVault::tell_quarantine(const Database& database, const Uuid& uuid, const Register::Known& known) const {
  if (known.removed) return {};
  History history = TRY(history_in(database, uuid));
  const Deed* last = history.last({Happened::Quarantined, Happened::Lifted});
  bool was = last != nullptr && last->what == Happened::Quarantined;
  if (was == !known.quarantine.empty()) return {};
  history.add(was ? deed(Happened::Lifted) : deed(Happened::Quarantined, known.quarantine));
  return write_history(database, uuid, history);
}

Sql<> SqliteVault::delete_for_ever(const Database& database, const Uuid& uuid) const {
  History history = TRY(history_in(database, uuid));
  if (history.last({Happened::Deleted}) == nullptr) TRY(tell(database, uuid, deed(Happened::Deleted)));
  return delete_row(database, uuid);
}

void SqliteVault::tell_later(const std::function<Sql<>(const Database&)>& tells) {
  auto done = change({.apply = [&](Database& database) -> Sql<Result<>> {
    TRY(tells(database));
    return Result<>();
  }});
  // It is told when the vault is opened the next time.
  if (!done.ok()) base::log(base::Level::Warning, "a history is not written: " + done.error().text);
}

void SqliteVault::tell_passages(const Ledger& before) {
  const auto& now = register_.ledger().passages;
  auto changed = [&](const Uuid& uuid, const Passage& passage) {
    const Passage* old = before.find(uuid);
    return passage.custody != Custody::Arrived &&
           (old == nullptr || old->custody != passage.custody || old->transfer != passage.transfer);
  };
  for (const auto& [uuid, passage] : now) {
    if (!changed(uuid, passage)) continue;
    tell_later([this, &uuid = uuid, &passage = passage](const Database& database) {
      return tell_passage(database, uuid, passage);
    });
  }
}

// In one transaction.
Sql<> SqliteVault::tell_what_was_left(Database& database) const {
  TRY(database.run("BEGIN"));
  for (const auto& [uuid, passage] : register_.ledger().passages) TRY(tell_passage(database, uuid, passage));
  for (const auto& [uuid, known] : register_.all()) TRY(tell_quarantine(database, uuid, known));
  return database.run("COMMIT");
}

Result<History> SqliteVault::history(const Uuid& uuid) {
  Register::Known* known = register_.find(uuid);
  History history;
  if (known != nullptr) {
    auto read = [&](Database& database) -> Sql<Result<>> {
      history = TRY(history_in(database, uuid));
      return Result<>();
    };
    TRY(change({.apply = read}));
  }
  // A TPM that was made in advance, and was used, has none.
  bool none = known == nullptr || (known->removed && history.deeds.items.empty());
  if (none) return Refusal{Refusal::Kind::Unknown, "there is no such instance, and there was none"};
  return history;
}

}  // namespace vault
