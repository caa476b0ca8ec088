// SPDX-License-Identifier: MIT
// SqliteVault: what is kept with an instance, or with the host, beside its state. Each item is an envelope of its own
// under the master key, so that it can be written without touching the state.
#include "backend/vault/opening.h"
#include "backend/vault/sqlite.h"

namespace vault {

namespace {

uint64_t change_of(const base::Bytes& envelope) { return claimed_epoch(envelope).value_or(0); }

// Item and content, so that one item's envelope does not open as another's.
struct Content {
  Item item{};
  wire::SizedBytes bytes;
};

base::Bytes sealed_item(const MasterKey& master, const Uuid& uuid, Item item, uint64_t change, base::View bytes) {
  return seal(master, uuid, Purpose::Item, change, wire::encode(Content{item, wire::SizedBytes(bytes)}));
}

}  // namespace

Result<base::Bytes> SqliteVault::opened_item(const ItemRow& row) const {
  auto plain = unseal(master_, row.uuid, Purpose::Item, change_of(row.envelope), row.envelope);
  auto content = plain ? wire::decode<Content>(*plain) : wire::Result<Content>(wire::Malformed{});
  if (!content.ok() || content.value().item != row.item) {
    return broken("item " + std::to_string(static_cast<int>(row.item)) + " of " + text_of(row.uuid) +
                  " is damaged or was sealed with another master key");
  }
  return std::move(content.value().bytes.bytes());
}

Result<base::Bytes> SqliteVault::item(const Uuid& uuid, Item item) {
  std::optional<ItemRow> row;
  auto select = [&](Database& database) -> Sql<Result<>> {
    row = TRY(read_item(database, uuid, item));
    return Result<>();
  };
  TRY(change({.apply = select}));
  if (!row) return base::Bytes();
  return opened_item(*row);
}

// As they were written.
Sql<std::vector<ItemRow>> SqliteVault::write_items(const Database& database, const Uuid& uuid,
                                                   const std::vector<ItemValue>& values) const {
  std::vector<ItemRow> rows;
  for (const ItemValue& value : values) {
    auto old = TRY(read_item(database, uuid, value.item));
    uint64_t change = old ? change_of(old->envelope) + 1 : 1;
    rows.push_back({uuid, value.item, sealed_item(master_, uuid, value.item, change, value.bytes)});
    TRY(write_item(database, rows.back()));
  }
  return rows;
}

Result<> SqliteVault::put_items(const Uuid& uuid, const std::vector<ItemValue>& values,
                                const std::vector<Deed>& deeds) {
  if (uuid != kHost) {
    Register::Known* known = register_.find(uuid);
    if (known == nullptr) return Refusal{Refusal::Kind::Unknown, "there is no such instance"};
  }
  std::vector<ItemRow> rows;
  auto seal_all = [&](Database& database) -> Sql<Result<>> {
    rows = TRY(write_items(database, uuid, values));
    for (const Deed& deed : deeds) TRY(tell(database, uuid, deed));
    return Result<>();
  };
  auto holds = [&](const Database& database) -> Sql<bool> {
    for (const ItemRow& row : rows) {
      auto stored = TRY(read_item(database, uuid, row.item));
      if (!stored || stored->envelope != row.envelope) return false;
    }
    return true;
  };
  return change({.apply = seal_all, .holds = holds});
}

Sql<> SqliteVault::put_spare_items(Database& database, const Uuid& spare, const std::vector<ItemValue>& values) const {
  for (const ItemValue& value : values) {
    TRY(write_item(database, {spare, value.item, sealed_item(master_, spare, value.item, 1, value.bytes)}));
  }
  return {};
}

// They are the instance's alone from then on. One that does not open is not worth a TPM.
Sql<> SqliteVault::hand_over_items(Database& database, const Uuid& spare, const Uuid& instance) const {
  for (const ItemRow& row : TRY(items_of(database, spare))) {
    auto bytes = opened_item(row);
    if (!bytes.ok()) continue;
    TRY(write_item(database, {instance, row.item, sealed_item(master_, instance, row.item, 1, bytes.value())}));
  }
  return {};
}

Sql<> SqliteVault::renew_items(Database& database, const MasterKey& next) const {
  for (ItemRow& row : TRY(all_items(database))) {
    auto bytes = opened_item(row);
    // What cannot be read now could not be read later either.
    if (!bytes.ok()) continue;
    row.envelope = sealed_item(next, row.uuid, row.item, change_of(row.envelope) + 1, bytes.value());
    TRY(write_item(database, row));
  }
  return {};
}

}  // namespace vault
