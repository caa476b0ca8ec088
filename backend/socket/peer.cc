// SPDX-License-Identifier: MIT
#include "backend/socket/peer.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace socketd {

namespace {

constexpr size_t kAtOnce = 16 * 1024;

bool try_again() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

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
  base::Arrived arrived = base::receive_with(fd_.get(), bytes, MSG_DONTWAIT);
  ssize_t n = arrived.n;
  bytes.resize(n > 0 ? static_cast<size_t>(n) : 0);
  if (n < 0) return try_again() ? Received::Nothing : Received::End;
  if (passed != nullptr && arrived.descriptor) *passed = std::move(arrived.descriptor);
  return n == 0 ? Received::End : Received::Something;
}

}  // namespace socketd
