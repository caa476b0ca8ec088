// SPDX-License-Identifier: MIT
#include "backend/socket/control_requests.h"

#include <optional>

namespace socketd {

namespace {

constexpr size_t kWord = 4;
// A locality is one byte, which some clients send as the four of a C union.
constexpr size_t kLocality = 1;
constexpr size_t kPadding = 3;

// What every body of the order has; its last word is the number of bytes that follow when there are any.
std::optional<size_t> fixed_part(Order order) {
  switch (order) {
    case Order::GetCapability:
    case Order::Shutdown:
    case Order::GetEstablished:
    case Order::HashStart:
    case Order::HashEnd:
    case Order::Cancel:
    case Order::StoreVolatile:
    case Order::Stop:
    case Order::GetConfig:
    case Order::SetDataFd:
      return 0;
    case Order::SetLocality:
    case Order::ResetEstablished:
      return kLocality;
    case Order::Init:
    case Order::HashData:
    case Order::SetBufferSize:
    case Order::LockStorage:
      return kWord;
    case Order::GetStateBlob:
    case Order::SetStateBlob:
      return 3 * kWord;
    case Order::GetInfo:
      return 4 * kWord;
  }
  return {};
}

bool has_data(Order order) { return order == Order::HashData || order == Order::SetStateBlob; }

}  // namespace

uint32_t ControlRequests::word(size_t at) const {
  uint32_t value = 0;
  for (size_t i = at; i < at + kWord; i++) value = value << 8 | bytes_[i];
  return value;
}

void ControlRequests::drop(size_t n_bytes) {
  bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(n_bytes));
}

ControlRequests::Next ControlRequests::look() {
  // No order is zero: that much of a union's end is told from the next request.
  for (; padding_ > 0 && bytes_.size() >= kWord && word(0) == 0; padding_--) drop(1);
  if (bytes_.size() < kWord) return Next::Incomplete;
  auto order = static_cast<Order>(word(0));
  auto fixed = fixed_part(order);
  if (!fixed) return Next::Unknown;
  size_ = *fixed;
  if (bytes_.size() < kWord + size_) return Next::Incomplete;
  if (!has_data(order)) return Next::Whole;
  uint32_t data = word(size_);
  if (data > kMostData) return Next::TooLong;
  size_ += data;
  return bytes_.size() < kWord + size_ ? Next::Incomplete : Next::Whole;
}

ControlRequests::Next ControlRequests::next(ControlRequest& request) {
  Next found = look();
  if (found != Next::Whole) return found;
  request.order = static_cast<Order>(word(0));
  request.body = base::copy_of(base::View(bytes_).subspan(kWord, size_));
  drop(kWord + size_);
  padding_ = size_ == kLocality ? kPadding : 0;
  return Next::Whole;
}

bool ControlRequests::take_cancel() {
  if (look() != Next::Whole || static_cast<Order>(word(0)) != Order::Cancel) return false;
  ControlRequest request;
  return next(request) == Next::Whole;
}

}  // namespace socketd
