// SPDX-License-Identifier: MIT
#include "lib/base/fd.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace base {

namespace {

constexpr size_t kMostTaken = 4;

// Takes over every descriptor, so that none is leaked.
void take(const cmsghdr& rights, Arrived& to) {
  size_t count = (rights.cmsg_len - CMSG_LEN(0)) / sizeof(int);
  for (size_t i = 0; i < count; i++) {
    int fd = -1;
    memcpy(&fd, CMSG_DATA(&rights) + i * sizeof(int), sizeof(int));
    Fd one(fd);
    to.several = to.several || to.descriptor;
    if (!to.several) to.descriptor = std::move(one);
  }
}

}  // namespace

void Fd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

ssize_t send_with(int socket, View bytes, int descriptor, int flags) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  iovec part{const_cast<uint8_t*>(bytes.data()), bytes.size()};  // sendmsg only reads it
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (descriptor >= 0) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(rights), &descriptor, sizeof(int));
  }
  return ::sendmsg(socket, &header, flags);
}

Arrived receive_with(int socket, std::span<uint8_t> to, int flags) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMostTaken) + CMSG_SPACE(sizeof(ucred))> control{};
  iovec part{to.data(), to.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  Arrived arrived;
  arrived.n = ::recvmsg(socket, &header, flags | MSG_CMSG_CLOEXEC);
  if (arrived.n < 0) return arrived;
  arrived.cut = (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET) continue;
    if (c->cmsg_type == SCM_RIGHTS) take(*c, arrived);
    if (c->cmsg_type != SCM_CREDENTIALS) continue;
    ucred who{};
    memcpy(&who, CMSG_DATA(c), sizeof(who));
    arrived.sender = who.pid;
  }
  return arrived;
}

}  // namespace base
