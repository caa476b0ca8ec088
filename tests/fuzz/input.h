// SPDX-License-Identifier: MIT
// An input as choices: once it is used up, every choice is the first and every string empty.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace fuzz {

class Input {
 public:
  explicit Input(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool empty() const { return bytes_.empty(); }
  size_t left() const { return bytes_.size(); }
  uint8_t u8() {
    if (bytes_.empty()) return 0;
    uint8_t value = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return value;
  }
  uint16_t u16() {
    auto high = static_cast<uint16_t>(u8() << 8);
    return static_cast<uint16_t>(high | u8());
  }
  uint32_t u32() {
    uint32_t high = u16();
    return high << 16 | u16();
  }
  // At most `n` bytes.
  std::vector<uint8_t> bytes(size_t n) {
    auto taken = bytes_.first(std::min(n, bytes_.size()));
    bytes_ = bytes_.subspan(taken.size());
    return {taken.begin(), taken.end()};
  }
  std::vector<uint8_t> rest() { return bytes(bytes_.size()); }
  template <class C>
  auto& choice(C& among) {
    return among[u8() % std::size(among)];
  }

 private:
  std::span<const uint8_t> bytes_;
};

}  // namespace fuzz
