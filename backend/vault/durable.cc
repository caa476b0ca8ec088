// SPDX-License-Identifier: MIT
#include "backend/vault/durable.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

namespace vault {

using xen::failed;

Io<Directory> Directory::open_at(int at, const std::string& name, bool make) {
  bool made = make && ::mkdirat(at, name.c_str(), 0700) == 0;
  if (make && !made && errno != EEXIST) return failed("make a directory");
  Fd fd(::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return failed("open a directory");
  if (made) {
    Fd parent(::openat(fd.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!parent || ::fsync(parent.get()) != 0) return failed("make a directory durable");
  }
  return Directory(std::move(fd));
}

Io<Directory> Directory::open(const std::string& path, bool make) { return open_at(AT_FDCWD, path, make); }
Io<Directory> Directory::below(const std::string& name, bool make) const { return open_at(fd_.get(), name, make); }

Io<std::optional<base::Bytes>> Directory::read(const std::string& name) const {
  constexpr off_t kMostBytes = 64 << 20;
  Fd file(::openat(fd_.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file && errno == ENOENT) return std::optional<base::Bytes>();
  struct stat about {};
  if (!file || ::fstat(file.get(), &about) != 0) return failed("open a file");
  if (about.st_size > kMostBytes) return xen::SysError{EFBIG, "read a file"};
  base::Bytes content(static_cast<size_t>(about.st_size));
  size_t done = 0;
  while (done < content.size()) {
    ssize_t n = ::read(file.get(), content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("read a file");
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  content.resize(done);
  return std::optional(std::move(content));
}

Io<> Directory::write(const std::string& name, base::View content, mode_t mode) const {
  std::string temporary = name + ".new";
  Fd file(::openat(fd_.get(), temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file || ::fchmod(file.get(), mode) != 0) return failed("make a file");
  while (!content.empty()) {
    ssize_t n = ::write(file.get(), content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("write a file");
    content = content.subspan(static_cast<size_t>(n));
  }
  if (::fsync(file.get()) != 0) return failed("make a file durable");
  return rename(temporary, name);
}

Io<> Directory::rename(const std::string& from, const std::string& to) const {
  if (::renameat(fd_.get(), from.c_str(), fd_.get(), to.c_str()) != 0) return failed("rename a file");
  if (::fsync(fd_.get()) != 0) return failed("make a directory durable");
  return {};
}

Io<> Directory::remove(const std::string& name) const {
  if (::unlinkat(fd_.get(), name.c_str(), 0) != 0 && errno != ENOENT) return failed("remove a file");
  if (::fsync(fd_.get()) != 0) return failed("make a directory durable");
  return {};
}

Io<std::vector<std::string>> Directory::names() const {
  int again = ::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (again < 0) return failed("open a directory");
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(again), ::closedir);
  if (!stream) return failed("list a directory");
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(stream.get())) {
    std::string name(static_cast<const char*>(entry->d_name));
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  return names;
}

Io<std::optional<Fd>> Directory::lock(const std::string& name) const {
  Fd file(::openat(fd_.get(), name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return failed("make a lock file");
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return std::optional(std::move(file));
  if (errno == EWOULDBLOCK) return std::optional<Fd>();
  return failed("lock a file");
}

}  // namespace vault
