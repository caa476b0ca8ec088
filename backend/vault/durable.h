// SPDX-License-Identifier: MIT
// Files that are either as they were or as they are meant to be, whenever the power fails.
#pragma once

#include <optional>
#include <string>

#include "lib/base/bytes.h"
#include "lib/base/fd.h"
#include "lib/xen/handle.h"

namespace vault {

template <class T = void>
using Io = base::Result<T, xen::SysError>;

using base::Fd;

// One directory, opened once, so that nobody can exchange it for another.
class Directory {
 public:
  // Makes it, mode 0700 and durable, when `make` says so.
  static Io<Directory> open(const std::string& path, bool make);
  Io<Directory> below(const std::string& name, bool make) const;

  // Nothing when there is no such file. EFBIG for more than 64 MiB.
  Io<std::optional<base::Bytes>> read(const std::string& name) const;
  // Durable when this returns.
  Io<> write(const std::string& name, base::View content, mode_t mode = 0600) const;
  Io<> rename(const std::string& from, const std::string& to) const;
  Io<> remove(const std::string& name) const;
  Io<std::vector<std::string>> names() const;
  // Exclusive for the life of the returned descriptor; nothing when another process has it.
  Io<std::optional<Fd>> lock(const std::string& name) const;

 private:
  explicit Directory(Fd fd) : fd_(std::move(fd)) {}
  static Io<Directory> open_at(int at, const std::string& name, bool make);
  Fd fd_;
};

}  // namespace vault
