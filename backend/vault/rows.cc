// SPDX-License-Identifier: MIT
#include "backend/vault/rows.h"

#include <algorithm>

namespace vault {

namespace {
// Two statements of the same form, one for each table.
Sql<Statement> prepare(const Database& database, Table table, const char* instances, const char* spares) {
  return database.prepare(table == Table::Instances ? instances : spares);
}
}  // namespace

Sql<> make_tables(const Database& database, base::View identity) {
  TRY(database.run(
      "CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), format INTEGER NOT NULL, identity BLOB NOT NULL)"
      " STRICT;"
      "CREATE TABLE instances (uuid BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16), epoch INTEGER NOT NULL,"
      " record BLOB NOT NULL, permanent BLOB NOT NULL) STRICT;"));
  Statement insert = TRY(database.prepare("INSERT INTO head VALUES (1, ?1, ?2)"));
  return insert.bind(1, kFormat).bind(2, identity).finish();
}

Sql<Head> read_head(const Database& database) {
  Statement select = TRY(database.prepare("SELECT format, identity FROM head"));
  if (!TRY(select.step())) return SqlError{SQLITE_CORRUPT, "database: it has no head"};
  return Head{select.number(0), base::copy_of(select.bytes(1))};
}

Sql<> write_identity(const Database& database, base::View identity) {
  Statement update = TRY(database.prepare("UPDATE head SET identity = ?1"));
  return update.bind(1, identity).finish();
}

Sql<std::optional<Row>> read_row(const Database& database, const Uuid& uuid, Table table) {
  Statement select = TRY(prepare(database, table, "SELECT epoch, record, permanent FROM instances WHERE uuid = ?1",
                                 "SELECT epoch, record, permanent FROM spares WHERE uuid = ?1"));
  if (!TRY(select.bind(1, base::View(uuid)).step())) return std::optional<Row>();
  Row row{.uuid = uuid, .epoch = select.number(0)};
  row.record = base::copy_of(select.bytes(1));
  row.permanent = base::copy_of(select.bytes(2));
  return std::optional(std::move(row));
}

Sql<std::vector<Uuid>> all_uuids(const Database& database, Table table) {
  Statement select = TRY(
      prepare(database, table, "SELECT uuid FROM instances ORDER BY uuid", "SELECT uuid FROM spares ORDER BY uuid"));
  std::vector<Uuid> found;
  while (TRY(select.step())) {
    base::View bytes = select.bytes(0);
    Uuid uuid{};
    if (bytes.size() != uuid.size()) return SqlError{SQLITE_CORRUPT, "database: a uuid of another length"};
    std::copy(bytes.begin(), bytes.end(), uuid.begin());
    found.push_back(uuid);
  }
  return found;
}

Sql<> insert_row(const Database& database, const Row& row, Table table) {
  Statement insert = TRY(prepare(database, table, "INSERT INTO instances VALUES (?1, ?2, ?3, ?4)",
                                 "INSERT INTO spares VALUES (?1, ?2, ?3, ?4)"));
  return insert.bind(1, base::View(row.uuid)).bind(2, row.epoch).bind(3, row.record).bind(4, row.permanent).finish();
}

Sql<bool> write_permanent(const Database& database, const Uuid& uuid, uint64_t expected, base::View permanent) {
  Statement update =
      TRY(database.prepare("UPDATE instances SET epoch = ?2 + 1, permanent = ?3 WHERE uuid = ?1 AND epoch = ?2"));
  TRY(update.bind(1, base::View(uuid)).bind(2, expected).bind(3, permanent).finish());
  return database.changed() == 1;
}

Sql<> write_record(const Database& database, const Uuid& uuid, base::View record) {
  Statement update = TRY(database.prepare("UPDATE instances SET record = ?2 WHERE uuid = ?1"));
  return update.bind(1, base::View(uuid)).bind(2, record).finish();
}

Sql<bool> write_renewed(const Database& database, const Row& row) {
  Statement update =
      TRY(database.prepare("UPDATE instances SET record = ?3, permanent = ?4 WHERE uuid = ?1 AND epoch = ?2"));
  TRY(update.bind(1, base::View(row.uuid)).bind(2, row.epoch).bind(3, row.record).bind(4, row.permanent).finish());
  return database.changed() == 1;
}

Sql<> delete_row(const Database& database, const Uuid& uuid, Table table) {
  if (table == Table::Spares) {
    Statement items = TRY(database.prepare("DELETE FROM items WHERE uuid = ?1"));
    TRY(items.bind(1, base::View(uuid)).finish());
  }
  Statement remove =
      TRY(prepare(database, table, "DELETE FROM instances WHERE uuid = ?1", "DELETE FROM spares WHERE uuid = ?1"));
  return remove.bind(1, base::View(uuid)).finish();
}

Sql<> make_spares(const Database& database) {
  return database.run(
      "CREATE TABLE IF NOT EXISTS spares (uuid BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16), epoch INTEGER NOT NULL,"
      " record BLOB NOT NULL, permanent BLOB NOT NULL) STRICT;");
}

Sql<> delete_spares(const Database& database) {
  return database.run("DELETE FROM items WHERE uuid IN (SELECT uuid FROM spares); DELETE FROM spares");
}

Sql<> make_items(const Database& database) {
  return database.run(
      "CREATE TABLE IF NOT EXISTS items (uuid BLOB NOT NULL CHECK (length(uuid) = 16), item INTEGER NOT NULL,"
      " envelope BLOB NOT NULL, PRIMARY KEY (uuid, item)) STRICT, WITHOUT ROWID;");
}

Sql<std::optional<ItemRow>> read_item(const Database& database, const Uuid& uuid, Item item) {
  Statement select = TRY(database.prepare("SELECT envelope FROM items WHERE uuid = ?1 AND item = ?2"));
  if (!TRY(select.bind(1, base::View(uuid)).bind(2, static_cast<uint64_t>(item)).step())) {
    return std::optional<ItemRow>();
  }
  return std::optional(ItemRow{uuid, item, base::copy_of(select.bytes(0))});
}

namespace {
Sql<std::vector<ItemRow>> rows_of(Statement& select) {
  std::vector<ItemRow> found;
  while (TRY(select.step())) {
    base::View bytes = select.bytes(0);
    ItemRow row{.item = static_cast<Item>(select.number(1)), .envelope = base::copy_of(select.bytes(2))};
    if (bytes.size() != row.uuid.size()) return SqlError{SQLITE_CORRUPT, "database: a uuid of another length"};
    std::copy(bytes.begin(), bytes.end(), row.uuid.begin());
    found.push_back(std::move(row));
  }
  return found;
}
}  // namespace

Sql<std::vector<ItemRow>> all_items(const Database& database) {
  Statement select = TRY(database.prepare("SELECT uuid, item, envelope FROM items"));
  return rows_of(select);
}

Sql<std::vector<ItemRow>> items_of(const Database& database, const Uuid& uuid) {
  Statement select = TRY(database.prepare("SELECT uuid, item, envelope FROM items WHERE uuid = ?1"));
  select.bind(1, base::View(uuid));
  return rows_of(select);
}

Sql<> write_item(const Database& database, const ItemRow& row) {
  Statement insert = TRY(database.prepare("INSERT OR REPLACE INTO items VALUES (?1, ?2, ?3)"));
  return insert.bind(1, base::View(row.uuid)).bind(2, static_cast<uint64_t>(row.item)).bind(3, row.envelope).finish();
}

}  // namespace vault
