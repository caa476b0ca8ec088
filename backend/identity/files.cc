// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "backend/identity/authority.h"

namespace identity {

namespace {

constexpr off_t kMostBytes = 1 << 20;

class File {
 public:
  explicit File(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  // False with errno set.
  bool read(base::Bytes& content) const {
    struct stat about {};
    if (fd_ < 0 || ::fstat(fd_, &about) != 0) return false;
    if (about.st_size > kMostBytes) errno = EFBIG;
    if (about.st_size > kMostBytes) return false;
    content.resize(static_cast<size_t>(about.st_size));
    ssize_t n = ::pread(fd_, content.data(), content.size(), 0);
    content.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return n >= 0;
  }

 private:
  int fd_;
};

Result<base::Bytes> content_of(const std::string& path) {
  base::Bytes content;
  if (!File(path).read(content)) return path + " cannot be read: " + strerror(errno);
  return content;
}

}  // namespace

Result<Authority> read_authority(const std::string& certificate_file, const std::string& key_file) {
  if (certificate_file.empty() || key_file.empty()) {
    return std::string("an authority for endorsement keys needs both --ca-certificate and --ca-key");
  }
  base::Bytes certificates = TRY(content_of(certificate_file));
  base::Bytes key = TRY(content_of(key_file));
  auto authority = Authority::given(certificates, key);
  if (authority.ok()) return std::move(authority).take();
  return "the authority " + certificate_file + " with the key " + key_file + " cannot be used: " + authority.error();
}

}  // namespace identity
