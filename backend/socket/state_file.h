// SPDX-License-Identifier: MIT
// StateFile: the permanent state in one file, as it was or as it is meant to be whenever the power fails. A digest in
// front of it tells a damaged file from a whole one.
#pragma once

#include <optional>
#include <string>

#include "backend/vault/durable.h"

namespace socketd {

// The failure is a sentence for the administrator.
template <class T>
using Or = base::Result<T, std::string>;

class StateFile {
 public:
  // Ours alone until it is destroyed.
  static Or<StateFile> open(const std::string& path);

  // Nothing when there is no such file; a failure when there is one that cannot be trusted.
  Or<std::optional<base::Bytes>> read() const;
  // Durable when it returns true; logs why not.
  bool write(base::View permanent) const;
  const std::string& path() const { return path_; }

 private:
  StateFile(std::string path, std::string name, vault::Directory directory, vault::Fd lock)
      : path_(std::move(path)), name_(std::move(name)), directory_(std::move(directory)), lock_(std::move(lock)) {}

  std::string path_;
  std::string name_;
  vault::Directory directory_;
  vault::Fd lock_;
};

}  // namespace socketd
