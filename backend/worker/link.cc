// SPDX-License-Identifier: MIT
#include "backend/worker/link.h"

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

Link::Link(vault::Fd manager, vault::Fd listening, vault::Fd journal, uid_t trusted, WatchSet watched)
    : manager_(std::move(manager)),
      listening_(std::move(listening)),
      journal_(std::move(journal)),
      trusted_(trusted),
      watched_(std::move(watched)) {}

xen::Result<Link> Link::open(vault::Fd&& manager, vault::Fd&& listening, vault::Fd&& journal, uid_t trusted) {
  WatchSet watched = TRY(WatchSet::create());
  TRY(watched.add(manager.get()));
  TRY(watched.add(listening.get()));
  return Link(std::move(manager), std::move(listening), std::move(journal), trusted, std::move(watched));
}

Link::Woken Link::wait(int timeout_ms) {
  WatchSet::Ready ready = watched_.wait(timeout_ms);
  Woken woken;
  if (manager_ && ready.has(manager_.get())) woken.order = receive_order();
  for (vault::Fd& candidate : candidates_) {
    if (candidate && ready.has(candidate.get())) woken.adopted |= hear(candidate);
  }
  if (ready.has(listening_.get())) accept_candidate();
  return woken;
}

void Link::drop(vault::Fd& watched) {
  watched_.remove(watched.get());
  watched = vault::Fd();
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
  drop_manager();
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
      drop_manager();
  }
  return std::nullopt;
}

void Link::accept_candidate() {
  vault::Fd candidate(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!candidate || !trustworthy(candidate.get(), trusted_)) return;
  for (vault::Fd& place : candidates_) {
    if (place) continue;
    if (!watched_.add(candidate.get()).ok()) return;
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
    if (manager_) drop_manager();
    manager_ = std::move(candidate);
    return true;
  }
  drop(candidate);
  return false;
}

}  // namespace backend
