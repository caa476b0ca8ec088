// SPDX-License-Identifier: MIT
#include "tests/loopback/preload/connection.h"

#include <stdlib.h>
#include <unistd.h>

#include <memory>
#include <new>

#include "tests/loopback/sockets.h"

namespace loopback {

bool Connection::open() {
  const char* path = getenv("XEN_LOOPBACK_SOCKET");
  if (path == nullptr) {
    errno = ENODEV;
    return false;
  }
  sockaddr_un address;
  if (unix_address(path, address) != 0) return false;
  fd_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  return fd_ >= 0 && connect(fd_, generic(address), sizeof(address)) == 0;
}

Connection::~Connection() {
  if (fd_ >= 0) close(fd_);
}

int Connection::call(const Request& request, int send_fd, Reply& reply, int (&fds)[2], void* array, size_t room) {
  std::unique_ptr<char[]> bytes(new (std::nothrow) char[kMaxMessage]);
  if (!bytes) return -1;
  std::lock_guard lock(one_at_a_time_);
  fds[0] = fds[1] = -1;
  if (send_message(fd_, &request, sizeof(request), send_fd) < 0) return -1;
  ssize_t n = receive_message(fd_, bytes.get(), kMaxMessage, fds);
  if (n < static_cast<ssize_t>(sizeof(Reply))) {
    if (n >= 0) errno = ENODEV;  // the domain, or the machine, is no more
    return -1;
  }
  memcpy(&reply, bytes.get(), sizeof(reply));
  size_t follows = static_cast<size_t>(n) - sizeof(reply);
  if (array != nullptr) memcpy(array, bytes.get() + sizeof(reply), follows < room ? follows : room);
  if (reply.error == 0) return 0;
  errno = reply.error;
  return -1;
}

int Connection::call(const Request& request) {
  Reply reply;
  int fds[2];
  int result = call(request, -1, reply, fds);
  for (int fd : fds) {
    if (fd >= 0) close(fd);
  }
  return result;
}

}  // namespace loopback
