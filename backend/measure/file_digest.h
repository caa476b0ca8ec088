// SPDX-License-Identifier: MIT
// The SHA-1 of a regular file as it is now. Opening never waits for whoever is at the other end, and touches no device.
#pragma once

#include <sys/stat.h>

#include <functional>

#include "backend/measure/event_log.h"
#include "backend/measure/image.h"
#include "backend/vault/durable.h"

namespace measure {

inline constexpr uint64_t kLargestFile = uint64_t{4} << 30;

class RegularFile {
 public:
  // An absolute path; links are followed. At most kLargestFile.
  static Result<RegularFile> open(const std::string& path);

  using Progress = std::function<void(uint64_t done, uint64_t size)>;
  // Once. Fails when the file was changed meanwhile.
  Result<Digest> digest(const Progress& progress) const;
  const std::string& path() const { return path_; }

 private:
  RegularFile(std::string path, vault::Fd fd, const struct stat& about)
      : path_(std::move(path)), fd_(std::move(fd)), about_(about) {}
  std::string path_;
  vault::Fd fd_;
  struct stat about_;
};

// A small file as it is, for what libxl keeps.
Result<std::string> content_of(const std::string& path);

}  // namespace measure
