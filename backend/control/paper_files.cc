// SPDX-License-Identifier: MIT
#include "backend/control/paper_files.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "backend/control/base64.h"
#include "backend/vault/durable.h"

namespace backend {

namespace {

constexpr size_t kLargest = 4 << 20;

bool complain(const std::string& path, const std::string& why) {
  std::fprintf(stderr, "vtpmctl: %s: %s\n", path.c_str(), why.c_str());
  return false;
}

struct Place {
  std::string directory, name;
};
Place place_of(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {path.substr(0, slash + 1), path.substr(slash + 1)};
}

}  // namespace

std::optional<std::string> read_paper(const std::string& path) {
  std::unique_ptr<FILE, int (*)(FILE*)> file(path == "-" ? stdin : std::fopen(path.c_str(), "rb"), std::fclose);
  if (file == nullptr) return complain(path, strerror(errno)), std::nullopt;
  base::Bytes bytes;
  std::array<uint8_t, 65536> chunk{};
  while (size_t n = std::fread(chunk.data(), 1, chunk.size(), file.get())) {
    base::append(bytes, base::View(chunk).first(n));
    if (bytes.size() > kLargest) return complain(path, "is too large for a file of a move"), std::nullopt;
  }
  if (bytes.empty()) return complain(path, "is empty"), std::nullopt;
  return base64(bytes);
}

bool can_write_paper(const std::string& path) {
  if (path == "-") return true;
  Place place = place_of(path);
  if (place.name.empty()) return complain(path, "is a directory");
  return ::access(place.directory.c_str(), W_OK) == 0 || complain(path, strerror(errno));
}

bool write_paper(const std::string& path, const std::string& base64_text) {
  auto bytes = from_base64(base64_text);
  if (!bytes) return complain(path, "the manager's answer is not understood");
  if (path == "-") {
    bool written = std::fwrite(bytes->data(), 1, bytes->size(), stdout) == bytes->size() && std::fflush(stdout) == 0;
    return written || complain(path, strerror(errno));
  }
  Place place = place_of(path);
  auto directory = vault::Directory::open(place.directory, false);
  auto written = directory.ok() ? directory.value().write(place.name, *bytes) : vault::Io<>(directory.error());
  return written.ok() || complain(path, written.error().text());
}

}  // namespace backend
