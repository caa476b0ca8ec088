// SPDX-License-Identifier: MIT
// A handle's connection to the machine. It is used only to open, bind, map and their opposites; never on the hot path.
#pragma once

#include <mutex>

#include "tests/loopback/protocol.h"

namespace loopback {

class Connection {
 public:
  // To the socket that XEN_LOOPBACK_SOCKET names. False with errno: ENODEV when it is not set, as without a Xen.
  bool open();
  ~Connection();

  // One request and its answer; -1 with errno when the machine refused or is gone. `array` takes what follows the
  // reply, up to `room` bytes; the descriptors received are the caller's.
  int call(const Request& request, int send_fd, Reply& reply, int (&fds)[2], void* array = nullptr, size_t room = 0);
  // For requests whose only answer is whether they succeeded.
  int call(const Request& request);

  int fd() const { return fd_; }

 private:
  int fd_ = -1;
  std::mutex one_at_a_time_;
};

inline Request request(Op op) { return {.op = op, .notify_offset = kNoOffset, .notify_port = kNoPort}; }

}  // namespace loopback
