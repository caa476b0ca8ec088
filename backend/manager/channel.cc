// SPDX-License-Identifier: MIT
#include "backend/manager/channel.h"

#include <sys/socket.h>

#include <cerrno>

namespace backend {

xen::Result<> Channel::send_bytes(base::View datagram, int descriptor) const {
  ssize_t n = base::send_with(fd_.get(), datagram, descriptor, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0) return xen::failed("send to a worker");
  return {};
}

xen::Result<Channel::Datagram> Channel::receive() const {
  static base::Bytes buffer(message::kMaxMessage);
  Datagram datagram;
  base::Arrived arrived = base::receive_with(fd_.get(), buffer, MSG_DONTWAIT);
  if (arrived.n < 0 && (errno == EAGAIN || errno == EINTR)) return datagram;
  if (arrived.n <= 0) {
    datagram.kind = Datagram::Kind::Closed;
    return datagram;
  }
  if (arrived.several || arrived.cut) return xen::SysError{EMSGSIZE, "receive from a worker"};
  datagram.descriptor = std::move(arrived.descriptor);
  datagram.sender = arrived.sender;
  datagram.kind = Datagram::Kind::Message;
  datagram.bytes.assign(buffer.begin(), buffer.begin() + arrived.n);
  base::wipe(buffer.data(), static_cast<size_t>(arrived.n));
  return datagram;
}

void make_room(int socket) {
  int bytes = 2 * static_cast<int>(message::kMaxMessage);
  if (::setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) != 0) {
    static_cast<void>(::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)));
  }
}

}  // namespace backend
