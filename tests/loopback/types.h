// SPDX-License-Identifier: MIT
// Words that every part of the loopback machine shares: ids, errors, owned descriptors.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "lib/base/result.h"

namespace loopback {

enum class DomId : uint16_t {};
enum class GrantRef : uint32_t {};
enum class Port : uint32_t {};

constexpr DomId kDom0{0};

constexpr uint16_t raw(DomId id) { return static_cast<uint16_t>(id); }
constexpr uint32_t raw(GrantRef ref) { return static_cast<uint32_t>(ref); }
constexpr uint32_t raw(Port port) { return static_cast<uint32_t>(port); }

struct Errno {
  int value;
};
template <class T = void>
using Result = base::Result<T, Errno>;

inline Errno last_error() { return Errno{errno}; }
inline Result<> require(bool holds, int otherwise) {
  if (!holds) return Errno{otherwise};
  return {};
}

// A descriptor that is closed when its owner goes.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  void reset(int fd = -1) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace loopback
