// SPDX-License-Identifier: MIT
#include "tests/vault/lying_disk.h"

#include <algorithm>
#include <cstring>

namespace vault {

namespace {
LyingDisk* disk = nullptr;
}  // namespace

// An open file as SQLite allocates it: its methods first.
struct LyingFile {
  sqlite3_file base;
  const char* name;

  static LyingFile& of(sqlite3_file* file) { return *static_cast<LyingFile*>(static_cast<void*>(file)); }
  static LyingDisk::File& content(sqlite3_file* file) { return disk->files_[of(file).name]; }

  static int close(sqlite3_file* file) {
    delete[] of(file).name;
    return SQLITE_OK;
  }
  static int read(sqlite3_file* file, void* to, int count, sqlite3_int64 at) {
    std::lock_guard lock(disk->mutex_);
    if (disk->die_at_ != 0 && disk->steps_ >= disk->die_at_) return SQLITE_IOERR_READ;
    const auto& now = content(file).now;
    auto from = std::min(static_cast<size_t>(at), now.size());
    size_t n = std::min(static_cast<size_t>(count), now.size() - from);
    memset(to, 0, static_cast<size_t>(count));
    if (n > 0) memcpy(to, now.data() + from, n);
    return n == static_cast<size_t>(count) ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
  }
  static int write(sqlite3_file* file, const void* from, int count, sqlite3_int64 at) {
    std::lock_guard lock(disk->mutex_);
    if (disk->step() != SQLITE_OK) return SQLITE_IOERR_WRITE;
    auto& f = content(file);
    size_t begin = static_cast<size_t>(at), end = begin + static_cast<size_t>(count);
    size_t used = 0;
    for (const auto& [name, other] : disk->files_) used += other.now.size();
    if (end > f.now.size() && disk->room_ && used + end - f.now.size() > *disk->room_) return SQLITE_FULL;
    if (end > f.now.size()) {
      f.now.resize(end);
      f.size_unsynced = true;
    }
    memcpy(f.now.data() + begin, from, static_cast<size_t>(count));
    for (size_t sector = begin / LyingDisk::kSector; sector * LyingDisk::kSector < end; sector++)
      f.unsynced[sector] = true;
    return SQLITE_OK;
  }
  static int truncate(sqlite3_file* file, sqlite3_int64 size) {
    std::lock_guard lock(disk->mutex_);
    if (disk->step() != SQLITE_OK) return SQLITE_IOERR_TRUNCATE;
    auto& f = content(file);
    f.now.resize(static_cast<size_t>(size));
    f.size_unsynced = true;
    return SQLITE_OK;
  }
  static int sync(sqlite3_file* file, int) {
    std::lock_guard lock(disk->mutex_);
    auto& f = content(file);
    bool good = disk->step() == SQLITE_OK;
    if (good && !disk->ignore_syncs_) {
      f.durable.resize(f.now.size());
      for (const auto& [sector, _] : f.unsynced) {
        size_t begin = std::min(sector * LyingDisk::kSector, f.now.size());
        size_t end = std::min(begin + LyingDisk::kSector, f.now.size());
        std::copy(f.now.begin() + static_cast<ptrdiff_t>(begin), f.now.begin() + static_cast<ptrdiff_t>(end),
                  f.durable.begin() + static_cast<ptrdiff_t>(begin));
      }
    }
    if (!disk->ignore_syncs_) {
      f.unsynced.clear();
      f.size_unsynced = false;
    }
    return good ? SQLITE_OK : SQLITE_IOERR_FSYNC;
  }
  static int size(sqlite3_file* file, sqlite3_int64* size) {
    std::lock_guard lock(disk->mutex_);
    *size = static_cast<sqlite3_int64>(content(file).now.size());
    return SQLITE_OK;
  }
  static int lock(sqlite3_file*, int) { return SQLITE_OK; }
  static int reserved(sqlite3_file*, int* held) {
    *held = 0;
    return SQLITE_OK;
  }
  static int control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
  static int sector_size(sqlite3_file*) { return LyingDisk::kSector; }
  static int characteristics(sqlite3_file*) { return 0; }

  static int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
    static const sqlite3_io_methods methods = {1,    close, read,     write,   truncate,    sync,           size,
                                               lock, lock,  reserved, control, sector_size, characteristics};
    std::lock_guard lock(disk->mutex_);
    file->pMethods = nullptr;
    std::string path = name == nullptr ? "temporary" : name;
    if (disk->die_at_ != 0 && disk->steps_ >= disk->die_at_) return SQLITE_CANTOPEN;
    if (!disk->files_.contains(path) && (flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
    disk->files_[path];
    char* copy = new char[path.size() + 1];
    memcpy(copy, path.c_str(), path.size() + 1);
    of(file).name = copy;
    file->pMethods = &methods;
    if (out != nullptr) *out = flags;
    return SQLITE_OK;
  }
  static int remove(sqlite3_vfs*, const char* name, int) {
    std::lock_guard lock(disk->mutex_);
    disk->files_.erase(name);
    return SQLITE_OK;
  }
  static int access(sqlite3_vfs*, const char* name, int, int* there) {
    std::lock_guard lock(disk->mutex_);
    auto at = disk->files_.find(name);
    *there = at != disk->files_.end() && !at->second.now.empty();
    return SQLITE_OK;
  }
  static int full_path(sqlite3_vfs*, const char* name, int size, char* to) {
    snprintf(to, static_cast<size_t>(size), "%s", name);
    return SQLITE_OK;
  }
};

LyingDisk::LyingDisk() {
  disk = this;
  vfs_ = *sqlite3_vfs_find(nullptr);  // randomness, time, sleep
  vfs_.iVersion = 1;
  vfs_.szOsFile = sizeof(LyingFile);
  vfs_.zName = kName;
  vfs_.xOpen = LyingFile::open;
  vfs_.xDelete = LyingFile::remove;
  vfs_.xAccess = LyingFile::access;
  vfs_.xFullPathname = LyingFile::full_path;
  sqlite3_vfs_register(&vfs_, 0);
}

LyingDisk::~LyingDisk() {
  sqlite3_vfs_unregister(&vfs_);
  disk = nullptr;
}

int LyingDisk::step() {
  steps_++;
  bool dead = die_at_ != 0 && steps_ >= die_at_;
  bool once = fail_at_ != 0 && steps_ == fail_at_;
  failed_ = failed_ || dead || once;
  return dead || once ? SQLITE_IOERR : SQLITE_OK;
}

void LyingDisk::set_room(std::optional<size_t> bytes) {
  std::lock_guard lock(mutex_);
  room_ = bytes;
}
size_t LyingDisk::used() const {
  std::lock_guard lock(mutex_);
  size_t used = 0;
  for (const auto& [name, file] : files_) used += file.now.size();
  return used;
}
void LyingDisk::fail_once_at(uint64_t n) {
  std::lock_guard lock(mutex_);
  fail_at_ = n == 0 ? 0 : steps_ + n;
  failed_ = false;
}
void LyingDisk::die_at(uint64_t n) {
  std::lock_guard lock(mutex_);
  die_at_ = steps_ + n;
  failed_ = false;
}
void LyingDisk::revive() {
  std::lock_guard lock(mutex_);
  fail_at_ = die_at_ = 0;
  failed_ = false;
}
bool LyingDisk::failed() const {
  std::lock_guard lock(mutex_);
  return failed_;
}
void LyingDisk::ignore_syncs(bool ignore) {
  std::lock_guard lock(mutex_);
  ignore_syncs_ = ignore;
}

void LyingDisk::lose_power(std::mt19937& random) {
  std::lock_guard lock(mutex_);
  for (auto& [name, f] : files_) {
    if (f.size_unsynced && random() % 2 == 0) f.durable.resize(f.now.size());
    for (const auto& [sector, _] : f.unsynced) {
      size_t begin = sector * kSector, end = std::min({begin + kSector, f.now.size(), f.durable.size()});
      if (begin >= end || random() % 2 == 0) continue;
      // Now and then only a part of a sector.
      if (random() % 8 == 0) end = begin + random() % (end - begin);
      std::copy(f.now.begin() + static_cast<ptrdiff_t>(begin), f.now.begin() + static_cast<ptrdiff_t>(end),
                f.durable.begin() + static_cast<ptrdiff_t>(begin));
    }
    f.now = f.durable;
    f.unsynced.clear();
    f.size_unsynced = false;
  }
  fail_at_ = die_at_ = 0;
  failed_ = ignore_syncs_ = false;
}

}  // namespace vault
