// SPDX-License-Identifier: MIT
// Fd: a descriptor that closes itself; and descriptors that go along with bytes over a socket (SCM_RIGHTS).
#pragma once

#include <sys/types.h>

#include <utility>

#include "lib/base/bytes.h"

namespace base {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~Fd() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

// As sendmsg(), with that descriptor beside the bytes unless it is -1.
ssize_t send_with(int socket, View bytes, int descriptor, int flags);

struct Arrived {
  ssize_t n = -1;        // as recvmsg() has it; errno is that of the call
  bool cut = false;      // there was more of bytes or of what came along
  bool several = false;  // descriptors; all but the first are closed
  Fd descriptor;         // closed on exec
  pid_t sender = 0;      // when credentials are passed on this socket
};
Arrived receive_with(int socket, std::span<uint8_t> to, int flags);

}  // namespace base
