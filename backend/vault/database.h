// SPDX-License-Identifier: MIT
// Database: one SQLite file, set up so that what it acknowledges is on disk and what it deletes is overwritten.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <string>

#include "lib/base/bytes.h"
#include "lib/base/result.h"

namespace vault {

struct SqlError {
  int code = SQLITE_ERROR;
  std::string text;

  bool full() const { return (code & 0xff) == SQLITE_FULL; }
  // The file is not what it was: told of what was asked for, not of the whole store.
  bool damaged() const { return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB; }
  // Refused on its own merits; nothing else of the transaction is touched.
  bool constraint() const { return (code & 0xff) == SQLITE_CONSTRAINT; }
};
template <class T = void>
using Sql = base::Result<T, SqlError>;

class Database;

// A prepared statement, bound and run once. Bound bytes must outlive it.
class Statement {
 public:
  Statement(Statement&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
  Statement& operator=(Statement&&) = delete;
  ~Statement() { sqlite3_finalize(statement_); }

  Statement& bind(int at, base::View bytes);
  Statement& bind(int at, uint64_t number);
  // True: there is a row.
  Sql<bool> step();
  Sql<> finish();
  base::View bytes(int column) const;
  uint64_t number(int column) const { return static_cast<uint64_t>(sqlite3_column_int64(statement_, column)); }

 private:
  friend class Database;
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  sqlite3_stmt* statement_;
};

class Database {
 public:
  // `vfs` names one of SQLite's; empty: the operating system's files. Without `make` a missing file is an error.
  static Sql<Database> open(const std::string& path, const std::string& vfs, bool make);
  Database(Database&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Database& operator=(Database&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Database() { sqlite3_close_v2(handle_); }

  Sql<> run(const char* statements) const;
  Sql<Statement> prepare(const char* statement) const;
  // How many rows the last statement changed.
  int changed() const { return sqlite3_changes(handle_); }
  // Whether no transaction is open: SQLite ends one by itself after some errors.
  bool between_transactions() const { return sqlite3_get_autocommit(handle_) != 0; }
  // The first thing that is wrong with the file's structure; empty when nothing is. Calls `alive` every now and then.
  Sql<std::string> check(const std::function<void()>& alive) const;

 private:
  explicit Database(sqlite3* handle) : handle_(handle) {}
  Sql<> set_up() const;
  SqlError error(const std::string& doing) const;
  sqlite3* handle_;
};

}  // namespace vault
