// SPDX-License-Identifier: MIT
// StateFile: the permanent state in one file, as it was or as it is meant to be whenever the power fails; and beside
// it, when a client of the control channel asks for it, the volatile state in another.
#pragma once

#include <optional>
#include <string>

#include "backend/socket/blob.h"
#include "backend/vault/durable.h"

namespace socketd {

class StateFile {
 public:
  // Ours alone until it is destroyed.
  static Or<StateFile> open(const std::string& path);

  // Nothing when there is no such file; a failure when there is one that cannot be trusted.
  Or<std::optional<base::Bytes>> read(Part part) const;
  // Durable when it returns true; logs why not.
  bool write(Part part, base::View state) const;
  // The same of a part that may not be there.
  bool remove(Part part) const;
  std::string path(Part part = Part::Permanent) const { return path_ + suffix(part); }

 private:
  StateFile(std::string path, std::string name, vault::Directory directory, vault::Fd lock)
      : path_(std::move(path)), name_(std::move(name)), directory_(std::move(directory)), lock_(std::move(lock)) {}
  static std::string suffix(Part part) { return part == Part::Permanent ? "" : ".volatile"; }

  std::string path_;
  std::string name_;
  vault::Directory directory_;
  vault::Fd lock_;
};

}  // namespace socketd
