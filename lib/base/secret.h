// SPDX-License-Identifier: MIT
// Secret<N>, SecretBytes: wiped when they die, compared in constant time, without a printer.
#pragma once

#include <algorithm>
#include <array>

#include "lib/base/bytes.h"

namespace base {

template <size_t N>
class Secret {
 public:
  static constexpr size_t kSize = N;

  Secret() = default;
  explicit Secret(const std::array<uint8_t, N>& value) : value_(value) {}
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ~Secret() { wipe(value_.data(), N); }

  // The bytes, for the code that computes with them; do not keep the view beyond the secret.
  View reveal() const { return value_; }
  std::span<uint8_t> fill() { return value_; }

  bool operator==(const Secret& other) const { return equal_constant_time(value_, other.value_); }

 private:
  std::array<uint8_t, N> value_{};
};

class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(Bytes value) : value_(std::move(value)) {}
  explicit SecretBytes(View value) : value_(copy_of(value)) {}
  explicit SecretBytes(size_t n_bytes) : value_(n_bytes) {}

  size_t size() const { return value_.size(); }
  bool empty() const { return value_.empty(); }
  View reveal() const { return value_; }
  std::span<uint8_t> fill() { return value_; }
  void resize(size_t n_bytes) { value_.resize(n_bytes); }

  bool operator==(const SecretBytes& other) const { return equal_constant_time(value_, other.value_); }

 private:
  Bytes value_;  // wiped by its allocator
};

}  // namespace base
