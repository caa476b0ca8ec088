// SPDX-License-Identifier: MIT
// What a vault consists of when it is opened: key, register and database, whole and of one another, or a refusal that
// names what to restore.
#pragma once

#include "backend/vault/register.h"
#include "backend/vault/rows.h"

namespace vault {

inline constexpr const char* kDatabase = "vtpm.db";
inline constexpr const char* kKey = "master.key";
inline constexpr const char* kNextKey = "master.key.next";
inline constexpr const char* kRestore = ": restore it from a backup, together with the others";

struct Parts {
  MasterKey master;
  Register known;
  Database database;
};

// `key_file`: empty when the key lies in the directory.
Result<Parts> open_parts(const Directory& directory, const std::string& path, const std::string& key_file,
                         const std::string& vfs);

// The envelope that ties a database to its master key and its register.
base::Bytes seal_identity(const MasterKey& master, const VaultId& vault);
// A master key from a file: 32 bytes, or 64 hexadecimal digits and perhaps a line's end.
Result<MasterKey> read_key_file(const std::string& path);

// What the operating system or SQLite refused, for the administrator.
Refusal broken(std::string text);
template <class T>
Result<T> told(Io<T> result) {
  if (!result.ok()) return broken("state directory: " + result.error().text());
  if constexpr (std::is_void_v<T>) {
    return {};
  } else {
    return std::move(result).take();
  }
}
template <class T>
Result<T> told(Sql<T> result, const std::string& remedy) {
  if (!result.ok()) return broken(result.error().text + remedy);
  if constexpr (std::is_void_v<T>) {
    return {};
  } else {
    return std::move(result).take();
  }
}
void fill_random(base::Secret<32>& secret);

}  // namespace vault
