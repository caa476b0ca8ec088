// SPDX-License-Identifier: MIT
#include "backend/measure/file_digest.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>

#include "lib/base/log.h"
#include "lib/base/verify.h"

namespace measure {

namespace {

constexpr size_t kChunk = 1 << 20;
constexpr off_t kLargestRecord = 16 << 20;

Reason named(const std::string& path, const std::string& what) {
  return {std::string(base::Printable(path).view()) + " " + what};
}
Reason failed(const std::string& path, const char* what) {
  return named(path, std::string(what) + ": " + std::strerror(errno));
}

bool same(const struct stat& a, const struct stat& b) {
  auto at = [](const timespec& time) { return std::pair(time.tv_sec, time.tv_nsec); };
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size && at(a.st_mtim) == at(b.st_mtim) &&
         at(a.st_ctim) == at(b.st_ctim);
}

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "is a directory, not a file";
  if (S_ISFIFO(mode)) return "is a pipe, not a file";
  if (S_ISSOCK(mode)) return "is a socket, not a file";
  return "is a device, not a file";
}

// Fails at an error only; 0 at the end.
Result<size_t> read_some(int fd, const std::string& path, base::Bytes& to) {
  while (true) {
    ssize_t n = ::read(fd, to.data(), to.size());
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EINTR) return failed(path, "cannot be read");
  }
}

}  // namespace

// What it is, is seen before it is opened: to open a device may do something to it.
Result<RegularFile> RegularFile::open(const std::string& path) {
  if (path.empty() || path[0] != '/') {
    return named(path, "is not an absolute path: nobody knows which directory it begins in");
  }
  if (path.size() >= PATH_MAX || path.find('\0') != std::string::npos) return named(path, "is no path");
  vault::Fd seen(::open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat about {};
  if (!seen || ::fstat(seen.get(), &about) != 0) return failed(path, "cannot be opened");
  if (!S_ISREG(about.st_mode)) return named(path, kind_of(about.st_mode));
  if (static_cast<uint64_t>(about.st_size) > kLargestFile) return named(path, "has more than 4 GiB");
  std::string again = "/proc/self/fd/" + std::to_string(seen.get());
  vault::Fd fd(::open(again.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) return failed(path, "cannot be opened");
  return RegularFile(path, std::move(fd), about);
}

Result<Digest> RegularFile::digest(const Progress& progress) const {
  struct Release {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Release> context(EVP_MD_CTX_new());
  VERIFY(context && EVP_DigestInit_ex(context.get(), EVP_sha1(), nullptr) == 1);
  const auto size = static_cast<uint64_t>(about_.st_size);
  base::Bytes chunk(kChunk);
  uint64_t done = 0;
  // A file that grows as fast as it is read would have no end.
  while (done <= size) {
    size_t n = TRY(read_some(fd_.get(), path_, chunk));
    if (n == 0) break;
    VERIFY(EVP_DigestUpdate(context.get(), chunk.data(), n) == 1);
    done += n;
    progress(done, size);
  }
  struct stat now {};
  if (::fstat(fd_.get(), &now) != 0) return failed(path_, "cannot be looked at");
  if (done != size || !same(about_, now)) return named(path_, "was changed while it was read");
  Digest digest{};
  VERIFY(EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1);
  return digest;
}

Result<std::string> content_of(const std::string& path) {
  vault::Fd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC));
  struct stat about {};
  if (!fd || ::fstat(fd.get(), &about) != 0) return failed(path, "cannot be opened");
  if (!S_ISREG(about.st_mode) || about.st_size > kLargestRecord) return named(path, "is not what libxl writes");
  std::string content;
  base::Bytes chunk(kChunk);
  while (content.size() <= static_cast<size_t>(kLargestRecord)) {
    size_t n = TRY(read_some(fd.get(), path, chunk));
    if (n == 0) return content;
    content.append(chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(n));
  }
  return named(path, "is not what libxl writes");
}

}  // namespace measure
