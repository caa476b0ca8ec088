// SPDX-License-Identifier: MIT
// Rows: what the database holds, as SQL. Nothing here is believed before its envelope has been opened.
#pragma once

#include <optional>
#include <vector>

#include "backend/vault/database.h"
#include "backend/vault/vault.h"

namespace vault {

inline constexpr uint64_t kFormat = 1;

struct Row {
  Uuid uuid{};
  uint64_t epoch = 0;
  base::Bytes record;     // sealed under the master key
  base::Bytes permanent;  // sealed under the instance's key; empty at epoch 0
};

// The database's own line: its format, and an envelope that tells which master key it belongs to.
struct Head {
  uint64_t format = 0;
  base::Bytes identity;
};

Sql<> make_tables(const Database& database, base::View identity);
Sql<Head> read_head(const Database& database);
Sql<> write_identity(const Database& database, base::View identity);

enum class Table { Instances, Spares };

Sql<std::optional<Row>> read_row(const Database& database, const Uuid& uuid, Table table = Table::Instances);
Sql<std::vector<Uuid>> all_uuids(const Database& database, Table table = Table::Instances);
Sql<> insert_row(const Database& database, const Row& row, Table table = Table::Instances);
// False: the stored epoch is not `expected`.
Sql<bool> write_permanent(const Database& database, const Uuid& uuid, uint64_t expected, base::View permanent);
Sql<> write_record(const Database& database, const Uuid& uuid, base::View record);
// Both envelopes under new keys, at the same epoch.
Sql<bool> write_renewed(const Database& database, const Row& row);
// A spare goes with its items.
Sql<> delete_row(const Database& database, const Uuid& uuid, Table table = Table::Instances);
// The table of TPMs made in advance, which older databases of this format have not.
Sql<> make_spares(const Database& database);
Sql<> delete_spares(const Database& database);

// One item of an instance, or of the host.
struct ItemRow {
  Uuid uuid{};
  Item item{};
  base::Bytes envelope;  // sealed under the master key
};
// The table of items, which older databases of this format have not.
Sql<> make_items(const Database& database);
Sql<std::optional<ItemRow>> read_item(const Database& database, const Uuid& uuid, Item item);
Sql<std::vector<ItemRow>> all_items(const Database& database);
Sql<std::vector<ItemRow>> items_of(const Database& database, const Uuid& uuid);
// In the place of what was there.
Sql<> write_item(const Database& database, const ItemRow& row);

}  // namespace vault
