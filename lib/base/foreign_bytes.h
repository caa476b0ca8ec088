// SPDX-License-Identifier: MIT
// ForeignBytes: bytes that another domain may change at any moment. They can be copied out of and into, each byte by
// one access, and never be pointed at: this is the only file that forms a pointer into such memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

#ifdef FOREIGN_BYTES_TRACE
#include "lib/base/foreign_trace.h"
#endif

namespace base {

template <class T>
concept GuestWord = std::is_unsigned_v<T> && sizeof(T) <= 8 && !std::is_same_v<T, bool>;

class ForeignBytes {
 public:
  ForeignBytes() = default;
  // The memory stays the caller's and must outlive every view made from this one. Private memory is foreign memory
  // that nobody changes, so that one reader serves both.
  explicit ForeignBytes(std::span<uint8_t> memory) : at_(memory.data()), size_(memory.size()) {}

  // For a command that already lies in private memory: stores into it are refused.
  static ForeignBytes read_only(std::span<const uint8_t> memory) {
    ForeignBytes bytes;
    bytes.at_ = const_cast<uint8_t*>(memory.data());  // SAFETY: writable_ keeps store() away from it
    bytes.size_ = memory.size();
    bytes.writable_ = false;
    return bytes;
  }

  size_t size() const { return size_; }

  // The n bytes from `at`; nothing when they are not all inside.
  std::optional<ForeignBytes> part(size_t at, size_t n) const {
    if (!inside(at, n)) return std::nullopt;
    ForeignBytes bytes = *this;
    bytes.at_ = size_ == 0 ? at_ : at_ + at;
    bytes.size_ = n;
    return bytes;
  }

  // One aligned acquire access; nothing when it is out of bounds or not aligned.
  template <GuestWord T>
  std::optional<T> load(size_t at) const {
    if (!inside(at, sizeof(T)) || !aligned<T>(at)) return std::nullopt;
    traced_load(at, sizeof(T));
    // SAFETY: in bounds and aligned, both checked above.
    return __atomic_load_n(reinterpret_cast<const T*>(at_ + at), __ATOMIC_ACQUIRE);
  }

  // One aligned release access.
  template <GuestWord T>
  [[nodiscard]] bool store(size_t at, T value) const {
    if (!writable_ || !inside(at, sizeof(T)) || !aligned<T>(at)) return false;
    traced_store(at, sizeof(T));
    // SAFETY: in bounds and aligned, both checked above.
    __atomic_store_n(reinterpret_cast<T*>(at_ + at), value, __ATOMIC_RELEASE);
    return true;
  }

  // Loads each byte once, into its final place.
  [[nodiscard]] bool load_bytes(size_t at, std::span<uint8_t> to) const {
    if (!inside(at, to.size())) return false;
    traced_load(at, to.size());
    const uint8_t* from = at_ + at;
    size_t i = 0;
    while (i < to.size() && !word_aligned(from + i)) i = copy_byte_out(from, to.data(), i);
    for (; i + sizeof(uint64_t) <= to.size(); i += sizeof(uint64_t)) {
      // SAFETY: aligned by the loop above, in bounds by the loop's condition.
      uint64_t word = __atomic_load_n(reinterpret_cast<const uint64_t*>(from + i), __ATOMIC_RELAXED);
      memcpy(to.data() + i, &word, sizeof(word));
    }
    while (i < to.size()) i = copy_byte_out(from, to.data(), i);
    return true;
  }

  [[nodiscard]] bool store_bytes(size_t at, std::span<const uint8_t> from) const {
    if (!writable_ || !inside(at, from.size())) return false;
    traced_store(at, from.size());
    uint8_t* to = at_ + at;
    size_t i = 0;
    while (i < from.size() && !word_aligned(to + i)) i = copy_byte_in(from.data(), to, i);
    for (; i + sizeof(uint64_t) <= from.size(); i += sizeof(uint64_t)) {
      uint64_t word = 0;
      memcpy(&word, from.data() + i, sizeof(word));
      // SAFETY: aligned by the loop above, in bounds by the loop's condition.
      __atomic_store_n(reinterpret_cast<uint64_t*>(to + i), word, __ATOMIC_RELAXED);
    }
    while (i < from.size()) i = copy_byte_in(from.data(), to, i);
    return true;
  }

 private:
  bool inside(size_t at, size_t n) const { return at <= size_ && n <= size_ - at; }

  template <class T>
  bool aligned(size_t at) const {
    return reinterpret_cast<uintptr_t>(at_ + at) % alignof(T) == 0;
  }
  static bool word_aligned(const uint8_t* at) { return reinterpret_cast<uintptr_t>(at) % sizeof(uint64_t) == 0; }

  static size_t copy_byte_out(const uint8_t* from, uint8_t* to, size_t i) {
    to[i] = __atomic_load_n(from + i, __ATOMIC_RELAXED);
    return i + 1;
  }
  static size_t copy_byte_in(const uint8_t* from, uint8_t* to, size_t i) {
    __atomic_store_n(to + i, from[i], __ATOMIC_RELAXED);
    return i + 1;
  }

#ifdef FOREIGN_BYTES_TRACE
  void traced_load(size_t at, size_t n) const { ForeignTrace::loaded(at_ + at, n); }
  void traced_store(size_t at, size_t n) const { ForeignTrace::stored(at_ + at, n); }
#else
  static void traced_load(size_t, size_t) {}
  static void traced_store(size_t, size_t) {}
#endif

  uint8_t* at_ = nullptr;
  size_t size_ = 0;
  bool writable_ = true;
};

// A number from another domain: of no use until it has been bounded.
template <class T>
class Untrusted {
 public:
  constexpr explicit Untrusted(T value) : value_(value) {}
  constexpr std::optional<T> at_most(T highest) const { return within(0, highest); }
  constexpr std::optional<T> within(T lowest, T highest) const {
    if (value_ < lowest || value_ > highest) return std::nullopt;
    return value_;
  }

 private:
  T value_;
};

}  // namespace base
