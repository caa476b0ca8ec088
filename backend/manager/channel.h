// SPDX-License-Identifier: MIT
// Channel: datagrams with at most one descriptor each, between manager and worker. Never blocks.
#pragma once

#include <sys/types.h>

#include "backend/manager/messages.h"
#include "backend/vault/durable.h"
#include "lib/xen/handle.h"

namespace backend {

class Channel {
 public:
  Channel() = default;
  explicit Channel(vault::Fd fd) : fd_(std::move(fd)) {}

  template <class M>
  xen::Result<> send(const M& message, int descriptor = -1) const {
    return send_bytes(message::encode(message), descriptor);
  }
  xen::Result<> send_bytes(base::View datagram, int descriptor) const;

  struct Datagram {
    enum class Kind { Message, Nothing, Closed };
    Kind kind = Kind::Nothing;
    base::Bytes bytes;
    vault::Fd descriptor;
    pid_t sender = 0;  // when credentials are passed on this socket
  };
  // EMSGSIZE for a datagram that is too long or brings more than one descriptor.
  xen::Result<Datagram> receive() const;

  int fd() const { return fd_.get(); }
  explicit operator bool() const { return static_cast<bool>(fd_); }

 private:
  vault::Fd fd_;
};

// Room for the largest message on both ends; needs root for more than the system's usual limit.
void make_room(int socket);

}  // namespace backend
