// SPDX-License-Identifier: MIT
#include "frontend/ring.h"

#include <poll.h>

#include <algorithm>

#include "lib/base/verify.h"

namespace frontend {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr size_t kLengthAt = 0, kStateAt = 4, kLocalityAt = 5, kExtraPagesAt = 7, kListAt = 8;
constexpr size_t kShortestResponse = 10, kSizeAt = 2;  // tag, size, code
constexpr uint8_t kIdle = 0, kSubmit = 1, kFinish = 2, kCancel = 3;

}  // namespace

Ring::Ring(xen::GrantShare share, xen::EventChannel channel, std::optional<xen::GrantArea> extra)
    : AnyRing(std::move(share), std::move(channel)),
      extra_(std::move(extra)),
      n_extra_pages_(extra_ ? extra_->refs().size() : 0),
      packet_at_(kListAt + sizeof(uint32_t) * n_extra_pages_) {}

xen::Result<std::unique_ptr<Ring>> Ring::make(xen::DomId backend, size_t n_extra_pages) {
  VERIFY(n_extra_pages <= kMostExtraPages);
  // The page says IDLE when this process dies in the middle of a command.
  xen::GrantShare share = TRY(xen::GrantShare::share(backend, kStateAt));
  xen::EventChannel channel = TRY(xen::EventChannel::bind_unbound(backend));
  std::optional<xen::GrantArea> extra;
  if (n_extra_pages > 0) extra.emplace(TRY(xen::GrantArea::share(backend, n_extra_pages)));
  // The list stands before anybody can read it.
  for (size_t i = 0; i < n_extra_pages; i++) {
    VERIFY(share.bytes().store<uint32_t>(kListAt + sizeof(uint32_t) * i, static_cast<uint32_t>(extra->refs()[i])));
  }
  VERIFY(share.bytes().store<uint8_t>(kExtraPagesAt, static_cast<uint8_t>(n_extra_pages)));
  return std::unique_ptr<Ring>(new Ring(std::move(share), std::move(channel), std::move(extra)));
}

void Ring::store_packet(base::View packet) const {
  size_t first = std::min(packet.size(), xen::kPageBytes - packet_at_);
  VERIFY(share_.bytes().store_bytes(packet_at_, packet.first(first)));
  if (first < packet.size()) VERIFY(extra_->bytes().store_bytes(0, packet.subspan(first)));
}

void Ring::load_packet(std::span<uint8_t> packet) const {
  size_t first = std::min(packet.size(), xen::kPageBytes - packet_at_);
  VERIFY(share_.bytes().load_bytes(packet_at_, packet.first(first)));
  if (first < packet.size()) VERIFY(extra_->bytes().load_bytes(0, packet.subspan(first)));
}

xen::Result<> Ring::submit(base::View command, uint8_t locality) {
  if (command.size() > packet_bytes()) return xen::SysError{EMSGSIZE, "send command"};
  if (progress() == Progress::Running) return xen::SysError{EBUSY, "send command"};
  base::ForeignBytes page = share_.bytes();
  store_packet(command);
  VERIFY(page.store<uint32_t>(kLengthAt, static_cast<uint32_t>(command.size())));
  VERIFY(page.store<uint8_t>(kLocalityAt, locality));
  VERIFY(page.store<uint8_t>(kExtraPagesAt, static_cast<uint8_t>(n_extra_pages_)));
  VERIFY(page.store<uint8_t>(kStateAt, kSubmit));
  return channel_.notify();
}

void Ring::cancel() {
  VERIFY(share_.bytes().store<uint8_t>(kStateAt, kCancel));
  notify();
}

Ring::Progress Ring::progress() const {
  std::optional<uint8_t> state = share_.bytes().load<uint8_t>(kStateAt);
  if (state == kIdle) return Progress::Cancelled;
  return state == kFinish ? Progress::Answered : Progress::Running;
}

xen::Result<base::Bytes> Ring::response() const {
  base::ForeignBytes page = share_.bytes();
  base::Untrusted<uint32_t> untrusted_length(page.load<uint32_t>(kLengthAt).value_or(0));
  std::optional<uint32_t> length = untrusted_length.within(kShortestResponse, static_cast<uint32_t>(packet_bytes()));
  if (!length) return xen::SysError{EBADMSG, "take response"};
  base::Bytes response(*length);
  load_packet(response);
  size_t size = 0;
  for (size_t i = 0; i < sizeof(uint32_t); i++) size = size << 8 | response[kSizeAt + i];
  if (size < kShortestResponse || size > response.size()) return xen::SysError{EBADMSG, "take response"};
  response.resize(size);
  return response;
}

xen::Result<base::Bytes> Ring::transact(base::View command, uint8_t locality, milliseconds patience, milliseconds grace,
                                        const Interruption& interruption) {
  TRY(submit(command, locality));
  bool ended = TRY(wait(patience, interruption));
  if (!ended) {
    cancel();
    ended = TRY(wait(grace, interruption));
  }
  if (!ended) return xen::SysError{ETIMEDOUT, "wait for response"};
  if (progress() == Progress::Cancelled) return xen::SysError{ECANCELED, "wait for response"};
  return response();
}

xen::Result<bool> AnyRing::wait(milliseconds most, const Interruption& interruption) {
  Clock::time_point end = Clock::now() + most;
  for (milliseconds left = most; busy(); left = std::chrono::ceil<milliseconds>(end - Clock::now())) {
    if (left.count() <= 0) return false;
    pollfd set[] = {{fd(), POLLIN, 0}, {interruption.fd, POLLIN, 0}};
    int ready = poll(set, std::size(set), static_cast<int>(left.count()));
    if (ready < 0 && errno != EINTR) return xen::failed("wait for response");
    if (ready <= 0) continue;
    if (set[0].revents != 0) {
      TRY(channel_.acknowledge());
      rung_ = true;
    }
    // The answer may have been written before the ring ended.
    if (set[1].revents != 0 && busy() && !TRY(interruption.look())) {
      return xen::SysError{ECONNRESET, "wait for response"};
    }
  }
  return true;
}

}  // namespace frontend
