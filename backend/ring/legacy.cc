// SPDX-License-Identifier: MIT
#include "backend/ring/legacy.h"

#include <bit>

#include "backend/ring/error_response.h"
#include "backend/ring/page.h"
#include "lib/base/verify.h"

namespace backend {

namespace {

// The slot, as guests of 64 bits have it: the packet's address, then reference, a filler and size.
constexpr size_t kAddressAt = 0, kReferenceAt = 8, kSizeAt = 14;
constexpr uint16_t kShortestPacket = 10;  // tag, size, ordinal or code
constexpr uint16_t kFirstRequestTag = 0xc1, kLastRequestTag = 0xc3, kFirstResponseTag = 0xc4, kLastResponseTag = 0xc6;

uint16_t big_endian(uint16_t word) { return std::rotl(word, 8); }

}  // namespace

// The slot is loaded as little-endian words.
static_assert(std::endian::native == std::endian::little);

LegacyRing::LegacyRing(base::ForeignBytes page, Transfers& transfers, Doorbell& doorbell)
    : page_(page), transfers_(transfers), doorbell_(doorbell) {
  VERIFY(page.size() == kPageBytes);
}

LegacyRing::Slot LegacyRing::load_slot() const {
  std::optional<uint64_t> address = page_.load<uint64_t>(kAddressAt);
  std::optional<uint64_t> rest = page_.load<uint64_t>(kReferenceAt);
  VERIFY(address && rest);
  return {.ref = xen::GrantRef{static_cast<uint32_t>(*rest)},
          .offset = static_cast<uint16_t>(*address % kPageBytes),
          .size = static_cast<uint16_t>(*rest >> 48)};
}

bool LegacyRing::holds_error(const Slot& slot) { return slot.offset <= kPageBytes - kErrorBytes; }

bool LegacyRing::well_placed(const Slot& slot) {
  base::Untrusted<uint16_t> untrusted_size(slot.size);
  return slot.offset <= kPageBytes - kPacketBytes && untrusted_size.within(kShortestPacket, kPacketBytes).has_value();
}

Transfers::Moved LegacyRing::fetch() {
  auto moved = transfers_.fetch(slot_.ref, slot_.offset, slot_.size);
  broken_ = broken_ || moved == Transfers::Moved::Broken;
  return moved;
}

LegacyRing::Packet LegacyRing::packet() const {
  uint16_t tag = big_endian(transfers_.incoming().load<uint16_t>(0).value_or(0));
  if (tag >= kFirstResponseTag && tag <= kLastResponseTag) return Packet::Response;
  return tag >= kFirstRequestTag && tag <= kLastRequestTag ? Packet::Request : Packet::Malformed;
}

uint32_t LegacyRing::size_in_packet() const {
  base::ForeignBytes in = transfers_.incoming();
  return static_cast<uint32_t>(big_endian(in.load<uint16_t>(2).value_or(0))) << 16 |
         big_endian(in.load<uint16_t>(4).value_or(0));
}

base::Result<Request, Ring::Refusal> LegacyRing::take() {
  slot_ = load_slot();
  if (!holds_error(slot_)) return refuse(Refusal::Unreachable);
  if (!well_placed(slot_)) return refuse(Refusal::BadLength);
  auto moved = fetch();
  if (moved == Transfers::Moved::Broken) return Refusal::Idle;
  if (moved == Transfers::Moved::NotGranted) return refuse(Refusal::Unreachable);
  // Our own: the notification was for nothing.
  if (packet() == Packet::Response) return Refusal::Idle;
  if (size_in_packet() != slot_.size) return refuse(Refusal::BadLength);
  std::optional<base::ForeignBytes> command = transfers_.incoming().part(0, slot_.size);
  VERIFY(command.has_value());
  return Request{0, *command};
}

base::Result<Request, Ring::Refusal> LegacyRing::take_untold() {
  slot_ = load_slot();
  if (!well_placed(slot_) || fetch() != Transfers::Moved::Done) return Refusal::Idle;
  if (packet() != Packet::Request || size_in_packet() != slot_.size) return Refusal::Idle;
  std::optional<base::ForeignBytes> command = transfers_.incoming().part(0, slot_.size);
  VERIFY(command.has_value());
  return Request{0, *command};
}

base::ForeignBytes LegacyRing::response_area() const {
  std::optional<base::ForeignBytes> area = transfers_.outgoing().part(0, kPacketBytes);
  VERIFY(area.has_value());
  return *area;
}

void LegacyRing::finish(size_t length) {
  VERIFY(length <= kPageBytes - slot_.offset);
  auto size = static_cast<uint16_t>(length);
  switch (transfers_.deliver(slot_.ref, slot_.offset, size)) {
    case Transfers::Moved::Done:
      return tell_size(size);
    case Transfers::Moved::NotGranted:
      return answer_nothing();
    case Transfers::Moved::Broken:
      broken_ = true;
  }
}

// An answer that was delivered without a word of it is told of now. One that was told of is not told again: the
// frontend would take the notification for the answer to its next command.
void LegacyRing::answer_unread(uint32_t return_code) {
  slot_ = load_slot();
  if (!well_placed(slot_) || fetch() != Transfers::Moved::Done) return;
  uint32_t size = size_in_packet();
  if (packet() == Packet::Request && size == slot_.size) return answer(return_code);
  bool untold = packet() == Packet::Response && size != slot_.size && size >= kShortestPacket &&
                size <= kPacketBytes;
  if (untold) tell_size(static_cast<uint16_t>(size));
}

void LegacyRing::answer_if_waiting(uint32_t return_code) {
  if (take().ok()) answer(return_code);
}

Ring::Refusal LegacyRing::refuse(Refusal why) {
  if (why == Refusal::Unreachable) {
    answer_nothing();
  } else {
    answer(kTpmFail);
  }
  return why;
}

void LegacyRing::answer(uint32_t return_code) {
  auto response = error_response(return_code);
  VERIFY(transfers_.outgoing().store_bytes(0, response));
  finish(response.size());
}

void LegacyRing::answer_nothing() { tell_size(0); }

void LegacyRing::tell_size(uint16_t size) {
  VERIFY(page_.store<uint16_t>(kSizeAt, size));
  doorbell_.ring();
}

}  // namespace backend
