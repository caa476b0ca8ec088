// SPDX-License-Identifier: MIT
#include "backend/manager/channel.h"

#include <sys/socket.h>

#include <cstring>

namespace backend {

namespace {

struct Control {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * 4) + CMSG_SPACE(sizeof(ucred))> bytes{};
};

// Takes over every descriptor that came along, so that none is leaked; false when there were several.
bool take_ancillary(msghdr& header, Channel::Datagram& to) {
  bool one = true;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET) continue;
    if (c->cmsg_type == SCM_CREDENTIALS) {
      ucred who{};
      memcpy(&who, CMSG_DATA(c), sizeof(who));
      to.sender = who.pid;
    } else if (c->cmsg_type == SCM_RIGHTS) {
      size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < count; i++) {
        int fd = -1;
        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
        one = one && !to.descriptor;
        to.descriptor = vault::Fd(fd);
      }
    }
  }
  return one;
}

}  // namespace

xen::Result<> Channel::send_bytes(base::View datagram, int descriptor) const {
  iovec data{const_cast<uint8_t*>(datagram.data()), datagram.size()};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  Control control;
  if (descriptor >= 0) {
    header.msg_control = control.bytes.data();
    header.msg_controllen = CMSG_SPACE(sizeof(int));
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(rights), &descriptor, sizeof(int));
  }
  if (::sendmsg(fd_.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return xen::failed("send to a worker");
  return {};
}

xen::Result<Channel::Datagram> Channel::receive() const {
  static base::Bytes buffer(message::kMaxMessage);
  Datagram datagram;
  iovec data{buffer.data(), buffer.size()};
  Control control;
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes.data();
  header.msg_controllen = control.bytes.size();
  ssize_t n = ::recvmsg(fd_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return datagram;
  if (n <= 0) {
    datagram.kind = Datagram::Kind::Closed;
    return datagram;
  }
  bool one = take_ancillary(header, datagram);
  if (!one || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
    return xen::SysError{EMSGSIZE, "receive from a worker"};
  datagram.kind = Datagram::Kind::Message;
  datagram.bytes.assign(buffer.begin(), buffer.begin() + n);
  base::wipe(buffer.data(), static_cast<size_t>(n));
  return datagram;
}

void make_room(int socket) {
  int bytes = 2 * static_cast<int>(message::kMaxMessage);
  if (::setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) != 0) {
    static_cast<void>(::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)));
  }
}

}  // namespace backend
