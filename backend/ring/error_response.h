// SPDX-License-Identifier: MIT
// The response that says nothing but a return code.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace backend {

inline constexpr size_t kErrorBytes = 10;

inline std::array<uint8_t, kErrorBytes> error_response(uint32_t code) {
  // clang-format off
  return {0x00, 0xc4, 0, 0, 0, kErrorBytes,
          static_cast<uint8_t>(code >> 24), static_cast<uint8_t>(code >> 16),
          static_cast<uint8_t>(code >> 8), static_cast<uint8_t>(code)};
  // clang-format on
}

}  // namespace backend
