// SPDX-License-Identifier: MIT
#include "backend/worker/transfers.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/verify.h"

namespace backend {

namespace {

using xen::failed;

// A copy takes microseconds; a vtpm-grantd that needs so long has been stopped.
constexpr int kMostMs = 30'000;

xen::Result<> send(int socket, const transfer::Order& order) {
  base::View bytes(static_cast<const uint8_t*>(static_cast<const void*>(&order)), sizeof(order));
  ssize_t n = -1;
  do n = base::send_with(socket, bytes, -1, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n != static_cast<ssize_t>(sizeof(order))) return failed("ask vtpm-grantd");
  return {};
}

xen::Result<> wait(int socket) {
  pollfd readable{socket, POLLIN, 0};
  int n = -1;
  do n = ::poll(&readable, 1, kMostMs);
  while (n < 0 && errno == EINTR);
  if (n < 0) return failed("wait for vtpm-grantd");
  if (n == 0) return xen::SysError{ETIMEDOUT, "wait for vtpm-grantd"};
  return {};
}

xen::Result<transfer::Outcome> receive(int socket) {
  uint8_t outcome = 0;
  base::Arrived arrived = base::receive_with(socket, std::span(&outcome, 1), 0);
  if (arrived.n < 0) return failed("hear vtpm-grantd");
  if (arrived.n == 0) return xen::SysError{EPIPE, "hear vtpm-grantd"};
  if (outcome > static_cast<uint8_t>(transfer::Outcome::NotGranted)) return xen::SysError{EBADMSG, "hear vtpm-grantd"};
  return transfer::Outcome{outcome};
}

}  // namespace

xen::Result<std::unique_ptr<GrantdTransfers>> GrantdTransfers::join(vault::Fd socket, const vault::Fd& memory) {
  void* at = ::mmap(nullptr, transfer::kMemoryBytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (at == MAP_FAILED) return failed("map what is shared with vtpm-grantd");
  std::unique_ptr<GrantdTransfers> made(
      new GrantdTransfers(std::move(socket), {static_cast<uint8_t*>(at), transfer::kMemoryBytes}));
  TRY(made->ask({.way = transfer::Way::Ready}));
  return made;
}

GrantdTransfers::~GrantdTransfers() { static_cast<void>(::munmap(memory_.data(), memory_.size())); }

xen::Result<transfer::Outcome> GrantdTransfers::ask(const transfer::Order& order) {
  TRY(send(socket_.get(), order));
  TRY(wait(socket_.get()));
  return receive(socket_.get());
}

Transfers::Moved GrantdTransfers::move(const transfer::Order& order) {
  auto outcome = ask(order);
  if (!outcome.ok()) {
    base::log(base::Level::Error, outcome.error().text());
    return Moved::Broken;
  }
  return outcome.value() == transfer::Outcome::Done ? Moved::Done : Moved::NotGranted;
}

Transfers::Moved GrantdTransfers::fetch(xen::GrantRef ref, uint16_t offset, uint16_t n) {
  return move({.ref = static_cast<uint32_t>(ref), .way = transfer::Way::Fetch, .offset = offset, .length = n});
}

Transfers::Moved GrantdTransfers::deliver(xen::GrantRef ref, uint16_t offset, uint16_t n) {
  return move({.ref = static_cast<uint32_t>(ref), .way = transfer::Way::Deliver, .offset = offset, .length = n});
}

base::ForeignBytes GrantdTransfers::incoming() const { return buffer(transfer::kIncomingAt); }
base::ForeignBytes GrantdTransfers::outgoing() const { return buffer(transfer::kOutgoingAt); }

base::ForeignBytes GrantdTransfers::buffer(size_t at) const {
  return base::ForeignBytes(memory_.subspan(at, transfer::kBufferBytes));
}

}  // namespace backend
