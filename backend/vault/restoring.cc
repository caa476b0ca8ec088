// SPDX-License-Identifier: MIT
// SqliteVault: states that are put back. The database first, in one transaction with the history; then the register.
// What a crash leaves in between is finished when the vault is opened.
#include <algorithm>

#include "backend/vault/opening.h"
#include "backend/vault/record.h"
#include "backend/vault/sqlite.h"

namespace vault {

namespace {

// Of one that is restored: what its place in the register is, and which tombstone it takes the place of.
struct Origin {
  uint8_t version = 1;
  Passage passage;
  Nonce replaces{};  // zero: none
};

Nonce tombstone_of(const Passage* passage) { return passage == nullptr ? Nonce{} : passage->transfer.id; }

}  // namespace

Result<> SqliteVault::may_be_put_back(const Uuid& uuid, bool elsewhere) {
  const Register::Known* known = register_.find(uuid);
  const Passage* passage = register_.ledger().find(uuid);
  if (leased_.contains(uuid)) return Refusal{Refusal::Kind::Leased, "somebody serves this instance"};
  if (known != nullptr && known->removed) {
    return Refusal{Refusal::Kind::Exists, "the instance was removed; its uuid is not used again"};
  }
  if (!elsewhere) {
    if (known == nullptr) return Refusal{Refusal::Kind::Unknown, "there is no such instance"};
    return here(uuid);
  }
  bool absent = passage == nullptr ? known == nullptr : !stored(passage->custody);
  if (!absent) return Refusal{Refusal::Kind::Exists, "the instance is on this host"};
  return {};
}

// Nothing that was ever seen here is newer.
Result<uint64_t> SqliteVault::newest_epoch(const Uuid& uuid) {
  uint64_t newest = 0;
  if (const Register::Known* known = register_.find(uuid)) newest = known->epoch;
  if (auto seen = seen_.find(uuid); seen != seen_.end()) newest = std::max(newest, seen->second);
  if (const Passage* passage = register_.ledger().find(uuid)) newest = std::max(newest, passage->transfer.epoch);
  auto look = [&](Database& database) -> Sql<Result<>> {
    if (auto row = TRY(read_row(database, uuid))) newest = std::max(newest, row->epoch);
    return Result<>();
  };
  TRY(change({.apply = look}));
  return newest;
}

Result<uint64_t> SqliteVault::put_back(const Uuid& uuid, const Return& what) {
  TRY(may_be_put_back(uuid, what.passage.has_value()));
  Instance instance = what.plain;
  instance.epoch = std::max(TRY(newest_epoch(uuid)), what.plain.epoch) + 1;
  fill_random(instance.key);
  Row row{.uuid = uuid, .epoch = instance.epoch};
  row.permanent = seal(instance.key, uuid, Purpose::Permanent, instance.epoch, what.plain.permanent);
  row.record = sealed_record(master_, uuid, 1, instance);
  auto apply = [&](Database& database) -> Sql<Result<>> {
    TRY(delete_row(database, uuid));
    TRY(insert_row(database, row));
    static_cast<void>(TRY(write_items(database, uuid, what.items)));
    if (what.passage) {
      Origin origin{.passage = *what.passage, .replaces = tombstone_of(register_.ledger().find(uuid))};
      static_cast<void>(TRY(write_items(database, uuid, {{Item::Origin, wire::encode(origin)}})));
    }
    if (what.history) TRY(write_history(database, uuid, *what.history));
    TRY(tell(database, uuid, what.deed));
    return Result<>();
  };
  TRY(change({apply, [&](const Database& database) { return has_record(database, uuid, row.record); }}));
  seen_[uuid] = instance.epoch;
  TRY(finish_return(uuid, instance.epoch, what.passage));
  return instance.epoch;
}

Result<> SqliteVault::finish_return(const Uuid& uuid, uint64_t epoch, const std::optional<Passage>& passage) {
  Register next = register_;
  Register::Known& known = next.add(uuid);
  known.epoch = std::max(known.epoch, epoch);
  if (passage) {
    Ledger ledger = next.ledger();
    ledger.passages[uuid] = *passage;
    next.set_ledger(ledger);
  }
  TRY(told(directory_.write(Register::kName, next.sealed(master_))));
  register_ = std::move(next);
  return {};
}

// Of one that is not here, as the register has it. A row that another reason has left is none of it.
Result<bool> SqliteVault::finish_restoring(Database& database, const Uuid& uuid) {
  const Passage* passage = register_.ledger().find(uuid);
  bool absent = passage == nullptr ? register_.find(uuid) == nullptr : !stored(passage->custody);
  if (!absent) return false;
  auto item = TRY(told(read_item(database, uuid, Item::Origin), kRestore));
  auto row = TRY(told(read_row(database, uuid), kRestore));
  auto bytes = item && row ? opened_item(*item) : Result<base::Bytes>(Refusal{});
  auto origin = bytes.ok() ? wire::decode<Origin>(bytes.value()) : wire::Result<Origin>(wire::Malformed{});
  bool its_own = origin.ok() && origin.value().version == 1 && origin.value().replaces == tombstone_of(passage);
  if (!its_own || !opened(*row).ok()) return false;
  TRY(finish_return(uuid, row->epoch, origin.value().passage));
  return true;
}

}  // namespace vault
