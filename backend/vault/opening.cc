// SPDX-License-Identifier: MIT
#include "backend/vault/opening.h"

#include <openssl/rand.h>
#include <sys/stat.h>

#include "lib/base/log.h"
#include "lib/base/verify.h"

namespace vault {

namespace {

constexpr Uuid kNobody{};
// There from before anything else of a new vault until everything of it is durable.
constexpr const char* kUnfinished = "first-start";

std::optional<VaultId> open_identity(const Head& head, const MasterKey& master) {
  auto plain = unseal(master, kNobody, Purpose::Database, head.format, head.identity);
  VaultId vault{};
  if (!plain || plain->size() != vault.size()) return std::nullopt;
  std::copy(plain->begin(), plain->end(), vault.begin());
  return vault;
}

Result<bool> there(const std::string& path, const std::string& vfs) {
  sqlite3_vfs* files = sqlite3_vfs_find(vfs.empty() ? nullptr : vfs.c_str());
  int found = 0;
  if (files == nullptr) return broken("SQLite has no file system " + vfs);
  if (files->xAccess(files, path.c_str(), SQLITE_ACCESS_EXISTS, &found) != SQLITE_OK) {
    return broken("state directory: cannot look for " + path);
  }
  return found != 0;
}

std::optional<MasterKey> key_in(base::View content) {
  std::array<uint8_t, MasterKey::kSize> bytes{};
  if (content.size() == bytes.size()) {
    std::copy(content.begin(), content.end(), bytes.begin());
    return MasterKey(bytes);
  }
  if (content.size() == 2 * bytes.size() + 1 && content.back() == '\n') content = content.first(2 * bytes.size());
  if (content.size() != 2 * bytes.size()) return std::nullopt;
  for (size_t i = 0; i < content.size(); i++) {
    auto c = static_cast<char>(content[i]);
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0) return std::nullopt;
    bytes[i / 2] = static_cast<uint8_t>(bytes[i / 2] << 4 | digit);
  }
  MasterKey key(bytes);
  base::wipe(bytes.data(), bytes.size());
  return key;
}

// The parts by name, as they were found.
struct Found {
  bool key = false;
  bool database = false;
  std::optional<base::Bytes> known;
};

class Opening {
 public:
  Opening(const Directory& directory, std::string path, const std::string& key_file, std::string vfs)
      : directory_(directory), path_(std::move(path)), key_file_(key_file), vfs_(std::move(vfs)) {}

  Result<Parts> run() {
    bool unfinished = TRY(told(directory_.read(kUnfinished))).has_value();
    Found found = TRY(look());
    if (unfinished || (!found.key && !found.database && !found.known)) {
      TRY(start_first(unfinished, found));
      found = TRY(look());
    }
    TRY(complete(found));
    auto database = told(Database::open(path_, vfs_, false), kRestore);
    if (!database.ok()) return database.error();
    return put_together(std::move(database).take(), *found.known);
  }

 private:
  bool own_key() const { return key_file_.empty(); }

  Result<Found> look() const {
    Found found;
    found.key = own_key() && TRY(told(directory_.read(kKey))).has_value();
    found.database = TRY(there(path_, vfs_));
    found.known = TRY(told(directory_.read(Register::kName)));
    return found;
  }

  Result<> complete(const Found& found) const {
    if (own_key() && !found.key) {
      return broken("master.key is missing while " + std::string(found.database ? kDatabase : Register::kName) +
                    " is there" + kRestore);
    }
    if (!found.database) return broken("the database vtpm.db is missing" + std::string(kRestore));
    if (!found.known) return broken("the register is missing" + std::string(kRestore));
    return {};
  }

  Result<MasterKey> key(const char* name) const {
    if (!own_key()) return read_key_file(key_file_);
    auto content = TRY(told(directory_.read(name)));
    auto key = content ? key_in(*content) : std::nullopt;
    if (!key) return broken(std::string(name) + " is not a key" + kRestore);
    return *key;
  }

  // Nothing is overwritten that could hold an instance: an unfinished vault has none.
  Result<> start_first(bool unfinished, const Found& found) {
    if (unfinished && found.known) return told(directory_.remove(kUnfinished));
    TRY(told(directory_.write(kUnfinished, {})));
    MasterKey master;
    if (own_key() && !found.key) {
      fill_random(master);
      TRY(told(directory_.write(kKey, master.reveal())));
    }
    master = TRY(key(kKey));
    VaultId vault{};
    VERIFY(RAND_bytes(vault.data(), static_cast<int>(vault.size())) == 1);
    vault = TRY(make_database(master, vault));
    Register known(vault);
    TRY(told(directory_.write(Register::kName, known.sealed(master))));
    TRY(told(directory_.remove(kUnfinished)));
    base::log(base::Level::Notice, own_key()
                                       ? "new state directory: made a master key; back it up apart from the states"
                                       : "new state directory");
    return {};
  }

  // The id of the one that is there, or of the one that is made.
  Result<VaultId> make_database(const MasterKey& master, const VaultId& fresh) const {
    if (vfs_.empty() && !TRY(there(path_, vfs_))) TRY(told(directory_.write(kDatabase, {})));  // for its mode
    Database database = TRY(told(Database::open(path_, vfs_, true), ""));
    auto head = read_head(database);
    if (!head.ok()) {
      auto made = [&]() -> Sql<> {
        TRY(database.run("BEGIN"));
        TRY(make_tables(database, seal_identity(master, fresh)));
        return database.run("COMMIT");
      }();
      TRY(told(std::move(made), ""));
      return fresh;
    }
    auto vault = open_identity(head.value(), master);
    auto instances = all_uuids(database);
    if (!vault || !instances.ok() || !instances.value().empty()) {
      return broken("a first start was not finished, and vtpm.db is not the one it made" + std::string(kRestore));
    }
    return *vault;
  }

  // A renewal of the master key that was interrupted is finished or undone: the database decides.
  Result<Parts> put_together(Database database, base::View known) {
    Head head = TRY(told(read_head(database), kRestore));
    if (head.format != kFormat) return broken("vtpm.db is of another version of this program: upgrade it");
    MasterKey master = TRY(key(kKey));
    auto vault = open_identity(head, master);
    bool renewed = false;
    if (!vault && own_key() && TRY(told(directory_.read(kNextKey)))) {
      master = TRY(key(kNextKey));
      vault = open_identity(head, master);
      renewed = vault.has_value();
    }
    if (!vault) return broken("vtpm.db does not open with the master key: restore the two from one backup");
    auto opened = Register::open(known, master);
    if (!opened) {
      auto next = TRY(told(directory_.read(Register::kNextName)));
      opened = next ? Register::open(*next, master) : std::nullopt;
      if (opened) TRY(told(directory_.rename(Register::kNextName, Register::kName)));
    }
    if (!opened) return broken("the register does not open with the master key: restore the two from one backup");
    if (opened->vault() != *vault) {
      return broken("the register belongs to another database: restore the two from one backup");
    }
    if (renewed) TRY(told(directory_.rename(kNextKey, kKey)));
    TRY(told(directory_.remove(kNextKey)));
    TRY(told(directory_.remove(Register::kNextName)));
    return Parts{master, std::move(*opened), std::move(database)};
  }

  const Directory& directory_;
  std::string path_;
  const std::string& key_file_;
  std::string vfs_;
};

}  // namespace

Refusal broken(std::string text) { return {Refusal::Kind::Broken, std::move(text)}; }

void fill_random(base::Secret<32>& secret) {
  VERIFY(RAND_priv_bytes(secret.fill().data(), static_cast<int>(secret.kSize)) == 1);
}

base::Bytes seal_identity(const MasterKey& master, const VaultId& vault) {
  return seal(master, kNobody, Purpose::Database, kFormat, vault);
}

Result<MasterKey> read_key_file(const std::string& path) {
  size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  auto directory = Directory::open(folder, false);
  if (!directory.ok()) return broken("the master key " + path + " cannot be read: " + directory.error().text());
  auto content = directory.value().read(slash == std::string::npos ? path : path.substr(slash + 1));
  if (!content.ok()) return broken("the master key " + path + " cannot be read: " + content.error().text());
  auto key = content.value() ? key_in(*content.value()) : std::nullopt;
  if (!key) return broken("the master key " + path + " is missing, or not of 32 bytes or 64 hexadecimal digits");
  return *key;
}

Result<Parts> open_parts(const Directory& directory, const std::string& path, const std::string& key_file,
                         const std::string& vfs) {
  return Opening(directory, path, key_file, vfs).run();
}

}  // namespace vault
