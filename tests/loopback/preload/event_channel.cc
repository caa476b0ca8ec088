// SPDX-License-Identifier: MIT
// libxenevtchn on the loopback. A handle is one event descriptor (a semaphore that counts deliverable events) and one
// connection to the machine; a channel is a page shared by its two ends. Once bound:
//   notify   one write, or none when the event merges with one not yet taken or the peer's port is masked
//   pending  one read
//   unmask   nothing, or one write when an event came while the port was masked
// The side that waited for its peer asks the machine once, on its first notify after a peer has been bound. A
// restricted handle never asks: it keeps the peer it had when it was restricted.
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <mutex>
#include <new>

extern "C" {
#include <xenevtchn.h>
}

#include "tests/loopback/preload/connection.h"

namespace {

using loopback::ChannelPage;
using loopback::Op;
using loopback::Reply;
using loopback::Request;

struct BoundPort {
  std::atomic<uint32_t> port = 0;  // 0: this place is free
  ChannelPage* page = nullptr;
  unsigned side = 0;
  int peer = -1;  // a descriptor number that stays the same; what it refers to is replaced
  std::atomic<bool> connected = false;
  std::atomic<uint32_t> seen_changes = 0;

  ChannelPage::Side& own() const { return page->sides[side]; }
  ChannelPage::Side& other() const { return page->sides[1 - side]; }
};

constexpr size_t kMaxPorts = 4096;

}  // namespace

struct xenevtchn_handle {
  loopback::Connection machine;
  int wake = -1;
  std::atomic<bool> restricted = false;
  std::mutex binding;
  std::atomic<size_t> used = 0;  // places that have ever been taken
  std::atomic<size_t> next = 0;  // where the search for a pending port goes on, so that none starves
  std::array<BoundPort, kMaxPorts> ports;
};

namespace {

BoundPort* find(xenevtchn_handle* handle, uint32_t port) {
  size_t used = handle->used.load(std::memory_order_acquire);
  for (size_t i = 0; i < used; i++) {
    if (handle->ports[i].port.load(std::memory_order_acquire) == port) return port == 0 ? nullptr : &handle->ports[i];
  }
  errno = ENOTCONN;
  return nullptr;
}

bool wake(int fd) {
  uint64_t one = 1;
  return write(fd, &one, sizeof(one)) == sizeof(one);
}

// Replaces what the peer's descriptor refers to, so that a notify in another thread finds the old or the new one.
void connect_peer(BoundPort& bound, int peer) {
  if (peer >= 0) {
    if (bound.peer < 0) {
      bound.peer = peer;
    } else {
      dup3(peer, bound.peer, O_CLOEXEC);
      close(peer);
    }
  }
  bound.connected.store(peer >= 0, std::memory_order_release);
}

void find_peer_again(xenevtchn_handle* handle, BoundPort& bound) {
  std::lock_guard lock(handle->binding);
  uint32_t changes = bound.own().peer_changes.load();
  if (changes == bound.seen_changes.load()) return;
  Request request = loopback::request(Op::FindPeer);
  request.a = bound.port.load();
  Reply reply;
  int fds[2];
  if (handle->machine.call(request, -1, reply, fds) == 0) connect_peer(bound, fds[0]);
  bound.seen_changes.store(changes);
}

bool peer_changed(const BoundPort& bound) {
  return bound.own().peer_changes.load() != bound.seen_changes.load(std::memory_order_relaxed);
}

// The answer to a bind request becomes a bound port.
int take_place(xenevtchn_handle* handle, const Reply& reply, const int (&fds)[2]) {
  void* memory = mmap(nullptr, loopback::kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
  close(fds[0]);
  size_t place = 0;
  while (place < kMaxPorts && handle->ports[place].port.load() != 0) place++;
  if (memory == MAP_FAILED || place == kMaxPorts) {
    if (fds[1] >= 0) close(fds[1]);
    errno = ENOMEM;
    return -1;
  }
  BoundPort& bound = handle->ports[place];
  bound.page = static_cast<ChannelPage*>(memory);
  bound.side = reply.b;
  bound.peer = -1;
  bound.seen_changes.store(bound.own().peer_changes.load());
  connect_peer(bound, fds[1]);
  bound.port.store(reply.a, std::memory_order_release);
  if (handle->used.load() <= place) handle->used.store(place + 1, std::memory_order_release);
  return static_cast<int>(reply.a);
}

int bind(xenevtchn_handle* handle, Op op, uint32_t domain, uint32_t remote_port) {
  Request request = loopback::request(op);
  request.domain = domain;
  request.a = remote_port;
  Reply reply;
  int fds[2];
  std::lock_guard lock(handle->binding);
  if (handle->machine.call(request, handle->wake, reply, fds) != 0) return -1;
  return take_place(handle, reply, fds);
}

bool take_one_wake(int fd) {
  uint64_t count = 0;
  ssize_t n = 0;
  do n = read(fd, &count, sizeof(count));
  while (n < 0 && errno == EINTR);
  return n == sizeof(count);
}

// The next port from the last one on that may be delivered, which thereby becomes masked. 0 for none.
uint32_t take_pending(xenevtchn_handle* handle) {
  size_t used = handle->used.load(std::memory_order_acquire);
  size_t start = handle->next.load(std::memory_order_relaxed);
  for (size_t i = 0; i < used; i++) {
    size_t place = (start + i) % used;
    BoundPort& bound = handle->ports[place];
    uint32_t port = bound.port.load(std::memory_order_acquire);
    if (port == 0) continue;
    uint32_t pending = ChannelPage::kPending;
    if (!bound.own().state.compare_exchange_strong(pending, ChannelPage::kMasked)) continue;
    handle->next.store(place + 1, std::memory_order_relaxed);
    return port;
  }
  return 0;
}

// A wake without an event: only when a peer was killed halfway through. Spurious events are allowed; lost ones are not.
uint32_t take_any(xenevtchn_handle* handle) {
  size_t used = handle->used.load(std::memory_order_acquire);
  for (size_t i = 0; i < used; i++) {
    BoundPort& bound = handle->ports[i];
    uint32_t port = bound.port.load(std::memory_order_acquire);
    uint32_t idle = 0;
    if (port != 0 && bound.own().state.compare_exchange_strong(idle, ChannelPage::kMasked)) return port;
  }
  return 0;
}

void release(xenevtchn_handle* handle, BoundPort& bound) {
  bool counted = bound.own().state.exchange(ChannelPage::kMasked) == ChannelPage::kPending;
  pollfd state{.fd = handle->wake, .events = POLLIN, .revents = 0};
  if (counted && poll(&state, 1, 0) == 1) take_one_wake(handle->wake);
  bound.port.store(0, std::memory_order_release);
  munmap(bound.page, loopback::kPageSize);
  if (bound.peer >= 0) close(bound.peer);
  bound.peer = -1;
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

xenevtchn_handle* xenevtchn_open(struct xentoollog_logger*, unsigned flags) {
  if ((flags & ~static_cast<unsigned>(XENEVTCHN_NO_CLOEXEC)) != 0) {
    errno = EINVAL;
    return nullptr;
  }
  auto* handle = new (std::nothrow) xenevtchn_handle;
  if (handle == nullptr) return nullptr;
  // The descriptor of a handle that is to live through exec is kept, but its ports are not: see xenevtchn_fdopen.
  int cloexec = (flags & XENEVTCHN_NO_CLOEXEC) != 0 ? 0 : EFD_CLOEXEC;
  if (handle->machine.open()) handle->wake = eventfd(0, EFD_SEMAPHORE | cloexec);
  if (handle->wake >= 0) return handle;
  delete handle;
  return nullptr;
}

// A descriptor alone does not say which ports are bound to it, so a handle cannot be made from one here.
xenevtchn_handle* xenevtchn_fdopen(struct xentoollog_logger*, int, unsigned) {
  errno = ENOSYS;
  return nullptr;
}

int xenevtchn_close(xenevtchn_handle* handle) {
  if (handle == nullptr) return 0;
  for (BoundPort& bound : handle->ports) {
    uint32_t port = bound.port.load();
    if (port != 0) xenevtchn_unbind(handle, port);
  }
  close(handle->wake);
  delete handle;
  return 0;
}

int xenevtchn_fd(xenevtchn_handle* handle) { return handle->wake; }

int xenevtchn_notify(xenevtchn_handle* handle, evtchn_port_t port) {
  BoundPort* bound = find(handle, port);
  if (bound == nullptr) return -1;
  bool restricted = handle->restricted.load(std::memory_order_relaxed);
  if (peer_changed(*bound)) {
    if (restricted) return 0;  // whoever it was has gone: as on Xen, a signal to nobody succeeds
    find_peer_again(handle, *bound);
  }
  uint32_t before = bound->other().state.fetch_or(ChannelPage::kPending);
  if ((before & (ChannelPage::kPending | ChannelPage::kMasked)) != 0) return 0;
  if (bound->connected.load(std::memory_order_acquire) && !wake(bound->peer)) return -1;
  if (peer_changed(*bound) && !restricted) {
    // A new peer was bound in between and may have taken its first event already.
    find_peer_again(handle, *bound);
    if (bound->connected.load(std::memory_order_acquire) && !wake(bound->peer)) return -1;
  }
  return 0;
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle* handle, uint32_t domid) {
  return bind(handle, Op::BindUnbound, domid, 0);
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle* handle, uint32_t domid,
                                                     evtchn_port_t remote_port) {
  return bind(handle, Op::BindInterdomain, domid, remote_port);
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle*, unsigned) {
  errno = ENOSYS;
  return -1;
}

int xenevtchn_unbind(xenevtchn_handle* handle, evtchn_port_t port) {
  std::lock_guard lock(handle->binding);
  BoundPort* bound = find(handle, port);
  if (bound == nullptr) return -1;
  Request request = loopback::request(Op::Unbind);
  request.a = port;
  handle->machine.call(request);  // a machine that has gone has unbound it already
  release(handle, *bound);
  return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle* handle) {
  while (take_one_wake(handle->wake)) {
    uint32_t port = take_pending(handle);
    if (port == 0) port = take_any(handle);
    if (port != 0) return static_cast<int>(port);
  }
  return -1;
}

int xenevtchn_unmask(xenevtchn_handle* handle, evtchn_port_t port) {
  BoundPort* bound = find(handle, port);
  if (bound == nullptr) return 0;  // the driver too ignores ports it does not know
  uint32_t before = bound->own().state.fetch_and(~ChannelPage::kMasked);
  bool came_meanwhile = before == (ChannelPage::kPending | ChannelPage::kMasked);
  return !came_meanwhile || wake(handle->wake) ? 0 : -1;
}

int xenevtchn_restrict(xenevtchn_handle* handle, domid_t domid) {
  Request request = loopback::request(Op::Restrict);
  request.domain = domid;
  if (handle->machine.call(request) != 0) return -1;
  for (BoundPort& bound : handle->ports) {
    if (bound.port.load() != 0 && peer_changed(bound)) find_peer_again(handle, bound);
  }
  handle->restricted.store(true);
  return 0;
}

}  // extern "C"
#pragma GCC visibility pop
