// SPDX-License-Identifier: MIT
#include "backend/socket/commands.h"

namespace socketd {

Commands::Next Commands::next(base::Bytes& command) {
  constexpr size_t kSizeAt = 2;
  constexpr size_t kSizeEnd = 6;
  constexpr uint32_t kHeaderBytes = 10;
  if (bytes_.size() < kSizeEnd) return Next::Incomplete;
  uint32_t size = 0;
  for (size_t i = kSizeAt; i < kSizeEnd; i++) size = size << 8 | bytes_[i];
  if (size < kHeaderBytes || size > kBufferBytes) return Next::BadSize;
  if (bytes_.size() < size) return Next::Incomplete;
  auto end = bytes_.begin() + static_cast<std::ptrdiff_t>(size);
  command.assign(bytes_.begin(), end);
  bytes_.erase(bytes_.begin(), end);
  return Next::Whole;
}

}  // namespace socketd
