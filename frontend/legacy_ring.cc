// SPDX-License-Identifier: MIT
#include "frontend/legacy_ring.h"

#include <poll.h>

#include <array>

#include "lib/base/verify.h"

namespace frontend {

namespace {

using std::chrono::milliseconds;

// The slot, as domains of 64 bits have it: the packet's address, then reference, a filler and size.
constexpr size_t kAddressAt = 0, kReferenceAt = 8, kSizeAt = 14;
// The packet begins with its page. Backends look at the offset in it, and whether the address is null.
constexpr uint64_t kAddress = xen::kPageBytes;
constexpr size_t kShortestResponse = 10, kSizeInPacket = 2;  // tag, size, code
constexpr uint8_t kFirstResponseTag = 0xc4, kLastResponseTag = 0xc6;

}  // namespace

xen::Result<std::unique_ptr<LegacyRing>> LegacyRing::make(xen::DomId backend) {
  xen::GrantShare share = TRY(xen::GrantShare::share(backend));
  xen::EventChannel channel = TRY(xen::EventChannel::bind_unbound(backend));
  return std::unique_ptr<LegacyRing>(new LegacyRing(std::move(share), std::move(channel), backend));
}

xen::Result<> LegacyRing::submit(base::View command) {
  if (command.size() > xen::kPageBytes) return xen::SysError{EMSGSIZE, "send command"};
  packet_.reset();
  // What comes before the command is no answer to it.
  for (pollfd late{fd(), POLLIN, 0}; ::poll(&late, 1, 0) == 1;) TRY(channel_.acknowledge());
  rung_ = false;
  packet_.emplace(TRY(xen::GrantShare::share(backend_)));
  VERIFY(packet_->bytes().store_bytes(0, command));
  uint64_t rest = static_cast<uint32_t>(packet_->ref()) | static_cast<uint64_t>(command.size()) << 48;
  VERIFY(share_.bytes().store<uint64_t>(kAddressAt, kAddress));
  VERIFY(share_.bytes().store<uint64_t>(kReferenceAt, rest));
  return channel_.notify();
}

uint16_t LegacyRing::told_size() const { return share_.bytes().load<uint16_t>(kSizeAt).value_or(0); }

// The notification is what says that the answer is all there; but alone it is none.
bool LegacyRing::busy() const {
  if (!packet_) return false;
  if (!rung_) return true;
  if (told_size() == 0) return false;
  std::array<uint8_t, 2> tag{};
  VERIFY(packet_->bytes().load_bytes(0, tag));
  return tag[0] != 0 || tag[1] < kFirstResponseTag || tag[1] > kLastResponseTag;
}

xen::Result<base::Bytes> LegacyRing::response() const {
  base::Untrusted<uint16_t> untrusted_size(told_size());
  std::optional<uint16_t> told = untrusted_size.within(kShortestResponse, xen::kPageBytes);
  if (!told) return xen::SysError{EBADMSG, "take response"};
  base::Bytes response(*told);
  VERIFY(packet_->bytes().load_bytes(0, response));
  size_t size = 0;
  for (size_t i = 0; i < sizeof(uint32_t); i++) size = size << 8 | response[kSizeInPacket + i];
  if (size != response.size()) return xen::SysError{EBADMSG, "take response"};
  return response;
}

xen::Result<base::Bytes> LegacyRing::transact(base::View command, uint8_t locality, milliseconds patience, milliseconds,
                                              const Interruption& interruption) {
  if (locality != 0) return xen::SysError{EOPNOTSUPP, "send command: version 1 of the ring knows no localities"};
  TRY(submit(command));
  bool ended = TRY(wait(patience, interruption));
  if (!ended) return xen::SysError{ETIMEDOUT, "wait for response"};
  auto answer = response();
  packet_.reset();
  return answer;
}

}  // namespace frontend
