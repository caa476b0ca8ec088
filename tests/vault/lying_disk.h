// SPDX-License-Identifier: MIT
// LyingDisk: a file system for SQLite that keeps what a disk has apart from what programs believe, and fails on demand.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace vault {

class LyingDisk {
 public:
  // Registered with SQLite under its name until it dies; one at a time.
  LyingDisk();
  ~LyingDisk();
  LyingDisk(const LyingDisk&) = delete;
  LyingDisk& operator=(const LyingDisk&) = delete;
  static constexpr const char* kName = "lying-disk";

  // Files cannot grow beyond this many bytes in all from now on; nothing: without end.
  void set_room(std::optional<size_t> bytes);
  size_t used() const;
  // The n-th write, sync or truncation from now fails, once; 0: none.
  void fail_once_at(uint64_t n);
  // From the n-th on they all fail, and so does reading.
  void die_at(uint64_t n);
  void revive();
  // Whether one of those has happened.
  bool failed() const;
  // Syncs say yes and do nothing.
  void ignore_syncs(bool ignore);
  // What was synced is there; of what was not, any sectors may be, in any order.
  void lose_power(std::mt19937& random);

 private:
  friend struct LyingFile;
  static constexpr size_t kSector = 512;
  struct File {
    std::vector<uint8_t> now, durable;
    // Sectors that differ by what was written since the last sync; a sync that fails forgets them.
    std::map<size_t, bool> unsynced;
    bool size_unsynced = false;
  };
  int step();

  mutable std::mutex mutex_;
  std::map<std::string, File> files_;
  std::optional<size_t> room_;
  uint64_t fail_at_ = 0, die_at_ = 0, steps_ = 0;
  bool failed_ = false, ignore_syncs_ = false;
  sqlite3_vfs vfs_{};
};

}  // namespace vault
