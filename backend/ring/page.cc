// SPDX-License-Identifier: MIT
#include "backend/ring/page.h"

#include <bit>

#include "backend/ring/error_response.h"
#include "lib/base/verify.h"

namespace backend {

namespace {

constexpr size_t kLengthAt = 0;
constexpr size_t kStateAt = 4;
constexpr size_t kExtraPagesAt = 7;
constexpr size_t kShortestCommand = 10;  // tag, size, ordinal
constexpr uint8_t kHardwareLocality = 4;

// TPM 1.2 return codes, Part 2 chapter 16; the engine's table is not ours to see.
constexpr uint32_t kBadParameter = 3;
constexpr uint32_t kBadParamSize = 25;
constexpr uint32_t kBadLocality = 61;

}  // namespace

// The header is loaded as one little-endian word.
static_assert(std::endian::native == std::endian::little);

std::optional<std::vector<uint32_t>> extra_pages_on(base::ForeignBytes page, size_t most) {
  std::optional<uint8_t> count = page.load<uint8_t>(kExtraPagesAt);
  VERIFY(count.has_value());
  if (*count > most) return std::nullopt;
  std::vector<uint32_t> refs;
  for (size_t i = 0; i < *count; i++) {
    std::optional<uint32_t> ref = page.load<uint32_t>(kHeaderBytes + sizeof(uint32_t) * i);
    VERIFY(ref.has_value());
    refs.push_back(*ref);
  }
  return refs;
}

TpmPage::TpmPage(base::ForeignBytes page, uint8_t localities, Doorbell& doorbell)
    : page_(page),
      n_extra_pages_(page.size() / kPageBytes - 1),
      packet_at_(kHeaderBytes + sizeof(uint32_t) * n_extra_pages_),
      localities_(localities),
      doorbell_(doorbell) {
  VERIFY(page.size() >= kPageBytes && page.size() % kPageBytes == 0 && packet_at_ < kPageBytes);
}

TpmPage::Header TpmPage::load_header() const {
  std::optional<uint64_t> word = page_.load<uint64_t>(0);
  VERIFY(word.has_value());
  return {.length = static_cast<uint32_t>(*word),
          .state = static_cast<uint8_t>(*word >> 32),
          .locality = static_cast<uint8_t>(*word >> 40),
          .n_extra_pages = static_cast<uint8_t>(*word >> 56)};
}

base::Result<Request, TpmPage::Refusal> TpmPage::take() {
  Header header = load_header();
  switch (static_cast<RingState>(header.state)) {
    case RingState::Idle:
    case RingState::Finish:
      return Refusal::Idle;
    case RingState::Cancel:
      leave_idle();
      return Refusal::Cancelled;
    case RingState::Submit:
      break;
    default:
      return refuse(header, Refusal::UnknownState);
  }
  if (header.n_extra_pages != n_extra_pages_) return refuse(header, Refusal::ExtraPages);
  base::Untrusted<uint32_t> untrusted_length(header.length);
  std::optional<uint32_t> length = untrusted_length.within(kShortestCommand, static_cast<uint32_t>(packet_bytes()));
  if (!length) return refuse(header, Refusal::BadLength);
  base::Untrusted<uint8_t> untrusted_locality(header.locality);
  std::optional<uint8_t> locality = untrusted_locality.at_most(kHardwareLocality - 1);
  if (!locality || (localities_ >> *locality & 1) == 0) return refuse(header, Refusal::BadLocality);

  std::optional<base::ForeignBytes> command = page_.part(packet_at_, *length);
  VERIFY(command.has_value());
  return Request{*locality, *command};
}

base::ForeignBytes TpmPage::response_area() const {
  std::optional<base::ForeignBytes> area = page_.part(packet_at_, packet_bytes());
  VERIFY(area.has_value());
  return *area;
}

void TpmPage::finish(size_t length) {
  VERIFY(length <= packet_bytes());
  VERIFY(page_.store<uint32_t>(kLengthAt, static_cast<uint32_t>(length)));
  set_state(RingState::Finish);
}

bool TpmPage::cancel_asked() const { return page_.load<uint8_t>(kStateAt) == static_cast<uint8_t>(RingState::Cancel); }

void TpmPage::answer_unread(uint32_t return_code) {
  if (!answer(return_code)) doorbell_.ring();
}

void TpmPage::answer_if_waiting(uint32_t return_code) { static_cast<void>(answer(return_code)); }

bool TpmPage::answer(uint32_t return_code) {
  Header header = load_header();
  switch (static_cast<RingState>(header.state)) {
    case RingState::Idle:
    case RingState::Finish:
      return false;
    case RingState::Cancel:
      leave_idle();
      return true;
    default:
      write_error(header, return_code);
      return true;
  }
}

void TpmPage::leave_idle() { set_state(RingState::Idle); }

Ring::Refusal TpmPage::refuse(const Header& header, Refusal why) {
  uint32_t code = kBadParamSize;
  if (why == Refusal::UnknownState) code = kBadParameter;
  if (why == Refusal::BadLocality) code = kBadLocality;
  write_error(header, code);
  return why;
}

// A frontend that announced extra pages looks for the packet behind their list.
void TpmPage::write_error(const Header& header, uint32_t return_code) {
  size_t packet_at = kHeaderBytes + sizeof(uint32_t) * header.n_extra_pages;
  VERIFY(page_.store_bytes(packet_at, error_response(return_code)));
  finish(kErrorBytes);
}

void TpmPage::set_state(RingState state) {
  VERIFY(page_.store<uint8_t>(kStateAt, static_cast<uint8_t>(state)));
  doorbell_.ring();
}

}  // namespace backend
