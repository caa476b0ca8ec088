// SPDX-License-Identifier: MIT
#include "backend/socket/peer.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace socketd {

namespace {

constexpr size_t kAtOnce = 16 * 1024;
constexpr size_t kMostDescriptors = 4;

bool try_again() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

void take_descriptors(msghdr& message, vault::Fd& passed) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= part->cmsg_len; at += sizeof(int)) {
      int fd = -1;
      memcpy(&fd, CMSG_DATA(part) + at, sizeof(fd));
      vault::Fd one(fd);
      if (at == 0) passed = std::move(one);
    }
  }
}

}  // namespace

bool Peer::send(base::View bytes) {
  base::append(waiting_, bytes);
  while (unsent()) {
    base::View rest = base::View(waiting_).subspan(sent_);
    ssize_t n = ::send(fd_.get(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) return try_again();
    sent_ += static_cast<size_t>(n);
  }
  waiting_.clear();
  sent_ = 0;
  return true;
}

Peer::Received Peer::receive(base::Bytes& bytes, vault::Fd* passed) {
  bytes.resize(kAtOnce);
  iovec area{.iov_base = bytes.data(), .iov_len = bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostDescriptors * sizeof(int))> control;
  msghdr message{};
  message.msg_iov = &area;
  message.msg_iovlen = 1;
  if (passed != nullptr) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
  }
  ssize_t n = ::recvmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  bytes.resize(n > 0 ? static_cast<size_t>(n) : 0);
  if (n < 0) return try_again() ? Received::Nothing : Received::End;
  if (passed != nullptr) take_descriptors(message, *passed);
  return n == 0 ? Received::End : Received::Something;
}

}  // namespace socketd
