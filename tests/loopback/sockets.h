// SPDX-License-Identifier: MIT
// Unix sockets, and messages with descriptors beside them. Used by the machine and, without it, by the preloaded
// library.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace loopback {

// 0, or -1 with errno: ENAMETOOLONG when the path does not fit.
inline int unix_address(const char* path, sockaddr_un& address) {
  address = {};
  address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof(address.sun_path)) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(address.sun_path, path, strlen(path));
  return 0;
}

inline const sockaddr* generic(const sockaddr_un& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

// Sends one message; descriptors that are negative are left out. What sendmsg returns.
inline ssize_t send_message(int socket, const void* bytes, size_t n, int fd0 = -1, int fd1 = -1) {
  int fds[2];
  size_t n_fds = 0;
  if (fd0 >= 0) fds[n_fds++] = fd0;
  if (fd1 >= 0) fds[n_fds++] = fd1;
  iovec part{.iov_base = const_cast<void*>(bytes), .iov_len = n};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(fds))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (n_fds > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
    memcpy(CMSG_DATA(header), fds, n_fds * sizeof(int));
  }
  ssize_t sent = 0;
  do sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent;
}

// Receives one message and up to two descriptors, -1 where none came. What recvmsg returns.
inline ssize_t receive_message(int socket, void* bytes, size_t n, int (&fds)[2], int flags = 0) {
  fds[0] = fds[1] = -1;
  iovec part{.iov_base = bytes, .iov_len = n};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(fds))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t received = 0;
  do received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags);
  while (received < 0 && errno == EINTR);
  if (received < 0) return received;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
      memcpy(fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
    }
  }
  return received;
}

}  // namespace loopback
