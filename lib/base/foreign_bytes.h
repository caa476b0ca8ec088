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
    while (i + sizeof(uint64_t) <= to.size()) i = copy_out<uint64_t>(from, to, i);
    if (i + sizeof(uint32_t) <= to.size()) i = copy_out<uint32_t>(from, to, i);
    if (i + sizeof(uint16_t) <= to.size()) i = copy_out<uint16_t>(from, to, i);
    if (i < to.size()) copy_out<uint8_t>(from, to, i);
    return true;
  }

  [[nodiscard]] bool store_bytes(size_t at, std::span<const uint8_t> from) const {
    if (!writable_ || !inside(at, from.size())) return false;
    traced_store(at, from.size());
    uint8_t* to = at_ + at;
    size_t i = 0;
    while (i + sizeof(uint64_t) <= from.size()) i = copy_in<uint64_t>(from, to, i);
    if (i + sizeof(uint32_t) <= from.size()) i = copy_in<uint32_t>(from, to, i);
    if (i + sizeof(uint16_t) <= from.size()) i = copy_in<uint16_t>(from, to, i);
    if (i < from.size()) copy_in<uint8_t>(from, to, i);
    return true;
  }

 private:
  bool inside(size_t at, size_t n) const { return at <= size_ && n <= size_ - at; }

  template <class T>
  bool aligned(size_t at) const {
    return reinterpret_cast<uintptr_t>(at_ + at) % alignof(T) == 0;
  }

  // A word at any address. Volatile: the access is made once and as it stands. That somebody else writes there
  // meanwhile is what this class is for, so ThreadSanitizer is not asked.
  template <class W>
  struct [[gnu::packed, gnu::may_alias]] Anywhere {
    W word;
  };
  // SAFETY of both: the callers' conditions hold the word inside of either side.
  template <class W>
  __attribute__((no_sanitize("thread"))) static size_t copy_out(const uint8_t* from, std::span<uint8_t> to, size_t i) {
    W word = reinterpret_cast<const volatile Anywhere<W>*>(from + i)->word;
    memcpy(to.data() + i, &word, sizeof(word));
    return i + sizeof(word);
  }
  template <class W>
  __attribute__((no_sanitize("thread"))) static size_t copy_in(std::span<const uint8_t> from, uint8_t* to, size_t i) {
    W word = 0;
    memcpy(&word, from.data() + i, sizeof(word));
    reinterpret_cast<volatile Anywhere<W>*>(to + i)->word = word;
    return i + sizeof(word);
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
