// SPDX-License-Identifier: MIT
#include "backend/worker/link.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "lib/base/log.h"

namespace backend {

namespace {

enum class Heard { Order, Nothing, End };

// Nonsense ends the connection like its end does.
Heard receive(int fd, Link::Order& to) {
  base::Arrived arrived = base::receive_with(fd, to.bytes, MSG_DONTWAIT);
  if (arrived.n < 0 && (errno == EAGAIN || errno == EINTR)) return Heard::Nothing;
  if (arrived.n <= 0 || arrived.several || arrived.cut) return Heard::End;
  to.descriptor = std::move(arrived.descriptor);
  to.size = static_cast<size_t>(arrived.n);
  return Heard::Order;
}

bool trustworthy(int fd, uid_t trusted) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return false;
  return peer.uid == 0 || peer.uid == trusted;
}

}  // namespace

xen::Result<FirstMessage> receive_first(int fd) {
  FirstMessage first;
  first.bytes.resize(message::kMaxMessage);
  base::Arrived arrived;
  do arrived = base::receive_with(fd, first.bytes, 0);
  while (arrived.n < 0 && errno == EINTR);
  if (arrived.n < 0) return xen::failed("receive from manager");
  if (arrived.n == 0 || arrived.several || arrived.cut) return xen::SysError{EBADMSG, "receive from manager"};
  first.descriptor = std::move(arrived.descriptor);
  first.bytes.resize(static_cast<size_t>(arrived.n));
  return first;
}

Link::Link(vault::Fd manager, vault::Fd listening, vault::Fd journal, uid_t trusted)
    : manager_(std::move(manager)), listening_(std::move(listening)), journal_(std::move(journal)), trusted_(trusted) {}

Link::Woken Link::wait(int event_fd, int timeout_ms) {
  // poll() passes over descriptors that are -1.
  std::array<pollfd, 3 + kMostCandidates> set{};
  set[0] = {event_fd, POLLIN, 0};
  set[1] = {manager_.get(), POLLIN, 0};
  set[2] = {listening_.get(), POLLIN, 0};
  for (size_t i = 0; i < kMostCandidates; i++) set[3 + i] = {candidates_[i].get(), POLLIN, 0};
  Woken woken;
  if (poll(set.data(), set.size(), timeout_ms) <= 0) return woken;

  woken.event = set[0].revents != 0;
  if (set[1].revents != 0) woken.order = receive_order();
  for (size_t i = 0; i < kMostCandidates; i++) {
    if (set[3 + i].revents != 0) woken.adopted |= hear(candidates_[i]);
  }
  if (set[2].revents != 0) accept_candidate();
  return woken;
}

void Link::send_if_room(base::View datagram) { send(datagram, -1, MSG_DONTWAIT); }

bool Link::send(base::View datagram, int descriptor, int flags) {
  if (!manager_) return false;
  ssize_t n = 0;
  do {
    n = base::send_with(manager_.get(), datagram, descriptor, MSG_NOSIGNAL | flags);
  } while (n < 0 && errno == EINTR);
  if (n >= 0) return true;
  if (errno == EAGAIN) return false;
  base::log(base::Level::Warning, xen::failed("send to manager").text());
  manager_ = vault::Fd();
  return false;
}

std::optional<Link::Order> Link::receive_order() {
  Order order;
  switch (receive(manager_.get(), order)) {
    case Heard::Order:
      return order;
    case Heard::Nothing:
      return std::nullopt;
    case Heard::End:
      base::log(base::Level::Warning, "the manager has gone; waiting for another");
      manager_ = vault::Fd();
  }
  return std::nullopt;
}

void Link::accept_candidate() {
  vault::Fd candidate(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!candidate || !trustworthy(candidate.get(), trusted_)) return;
  for (vault::Fd& place : candidates_) {
    if (place) continue;
    place = std::move(candidate);
    return;
  }
}

// Whether the candidate has become the manager.
bool Link::hear(vault::Fd& candidate) {
  Order order;
  Heard heard = receive(candidate.get(), order);
  if (heard == Heard::Nothing) return false;
  auto adopt = message::decode<message::Adopt>(order.datagram());
  if (heard == Heard::Order && adopt.ok() && adopt.value().version == message::kVersion) {
    manager_ = std::move(candidate);
    return true;
  }
  candidate = vault::Fd();
  return false;
}

}  // namespace backend
