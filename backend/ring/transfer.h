// SPDX-License-Identifier: MIT
// What a worker asks of vtpm-grantd: one datagram of this machine's byte order each, answered by one. The bytes go
// through memory that both have mapped.
#pragma once

#include <cstddef>
#include <cstdint>

namespace transfer {

inline constexpr size_t kBufferBytes = 4096;
// Two buffers: for what comes from the guest, and for what goes there.
inline constexpr size_t kIncomingAt = 0, kOutgoingAt = kBufferBytes, kMemoryBytes = 2 * kBufferBytes;

enum class Way : uint16_t { Ready = 0, Fetch = 1, Deliver = 2 };

// No domain: vtpm-grantd knows one.
struct Order {
  uint32_t ref = 0;
  Way way = Way::Ready;
  uint16_t offset = 0;  // in the granted page
  uint16_t length = 0;
  uint16_t unused = 0;
};

enum class Outcome : uint8_t { Done = 0, NotGranted = 1 };

}  // namespace transfer
