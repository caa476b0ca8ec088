// SPDX-License-Identifier: MIT
#include "backend/vault/database.h"

#include "lib/base/verify.h"

namespace vault {

Statement& Statement::bind(int at, base::View bytes) {
  static const uint8_t nothing = 0;
  const uint8_t* from = bytes.empty() ? &nothing : bytes.data();
  VERIFY(sqlite3_bind_blob64(statement_, at, from, bytes.size(), SQLITE_STATIC) == SQLITE_OK);
  return *this;
}

Statement& Statement::bind(int at, uint64_t number) {
  VERIFY(sqlite3_bind_int64(statement_, at, static_cast<sqlite3_int64>(number)) == SQLITE_OK);
  return *this;
}

Sql<bool> Statement::step() {
  int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  sqlite3* database = sqlite3_db_handle(statement_);
  return SqlError{sqlite3_extended_errcode(database), sqlite3_errmsg(database)};
}

Sql<> Statement::finish() {
  while (TRY(step())) {
  }
  return {};
}

base::View Statement::bytes(int column) const {
  const void* at = sqlite3_column_blob(statement_, column);
  return {static_cast<const uint8_t*>(at), static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

Sql<Database> Database::open(const std::string& path, const std::string& vfs, bool make) {
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | (make ? SQLITE_OPEN_CREATE : 0);
  sqlite3* handle = nullptr;
  int code = sqlite3_open_v2(path.c_str(), &handle, flags, vfs.empty() ? nullptr : vfs.c_str());
  if (handle == nullptr) return SqlError{code, "out of memory"};
  Database database(handle);
  if (code != SQLITE_OK) return database.error("open " + path);
  TRY(database.set_up());
  return database;
}

// Exclusive: the log's index then lies in memory of ours, not in a file that others could open.
Sql<> Database::set_up() const {
  return run(
      "PRAGMA locking_mode = EXCLUSIVE;"
      "PRAGMA auto_vacuum = INCREMENTAL;"
      "PRAGMA journal_mode = WAL;"
      "PRAGMA synchronous = FULL;"
      "PRAGMA secure_delete = ON;"
      "PRAGMA trusted_schema = OFF;"
      "PRAGMA cell_size_check = ON;"
      "PRAGMA temp_store = MEMORY;"
      "PRAGMA journal_size_limit = 4194304;");
}

SqlError Database::error(const std::string& doing) const {
  return {sqlite3_extended_errcode(handle_), doing + ": " + sqlite3_errmsg(handle_)};
}

Sql<> Database::run(const char* statements) const {
  if (sqlite3_exec(handle_, statements, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return error("database");
}

Sql<Statement> Database::prepare(const char* statement) const {
  sqlite3_stmt* prepared = nullptr;
  if (sqlite3_prepare_v2(handle_, statement, -1, &prepared, nullptr) != SQLITE_OK) return error("database");
  return Statement(prepared);
}

Sql<std::string> Database::check(const std::function<void()>& alive) const {
  constexpr int kStepsBetween = 100'000;
  auto* calls = const_cast<std::function<void()>*>(&alive);  // SQLite's parameter has one type for everything
  sqlite3_progress_handler(
      handle_, kStepsBetween,
      [](void* given) {
        (*static_cast<std::function<void()>*>(given))();
        return 0;
      },
      calls);
  auto answer = [&]() -> Sql<std::string> {
    Statement check = TRY(prepare("PRAGMA integrity_check(1)"));
    if (!TRY(check.step())) return std::string("no answer");
    base::View said = check.bytes(0);
    std::string text(said.begin(), said.end());
    return text == "ok" ? std::string() : text;
  }();
  sqlite3_progress_handler(handle_, 0, nullptr, nullptr);
  return answer;
}

}  // namespace vault
