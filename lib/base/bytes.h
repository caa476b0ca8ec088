// SPDX-License-Identifier: MIT
// Bytes: a growable byte string in memory that is wiped when it is given back. View: bytes somebody else owns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace base {

// Zeroes the bytes in a way the compiler keeps.
void wipe(void* at, size_t n_bytes);

// Blocks of up to 4 KiB come from per-thread free lists, so that a command needs no call into the C library's
// allocator; every block is wiped when it is freed, because a guest's bytes and our secrets pass through all of them.
void* wiping_allocate(size_t n_bytes);
void wiping_free(void* at, size_t n_bytes);

template <class T>
struct WipingAllocator {
  using value_type = T;
  WipingAllocator() = default;
  template <class U>
  WipingAllocator(const WipingAllocator<U>&) {}  // NOLINT: required by the allocator contract
  T* allocate(size_t n) { return static_cast<T*>(wiping_allocate(n * sizeof(T))); }
  void deallocate(T* at, size_t n) { wiping_free(at, n * sizeof(T)); }
  bool operator==(const WipingAllocator&) const { return true; }
};

using Bytes = std::vector<uint8_t, WipingAllocator<uint8_t>>;
using View = std::span<const uint8_t>;

// The standard library copies byte by byte into memory of an allocator that it does not know.
inline void append(Bytes& to, View more) {
  if (more.empty()) return;
  size_t at = to.size();
  to.resize(at + more.size());
  memcpy(to.data() + at, more.data(), more.size());
}
inline Bytes copy_of(View bytes) { return {bytes.begin(), bytes.end()}; }

// Two lower-case digits a byte.
std::string hex(View bytes);

// Compares in a time that depends on the lengths only.
bool equal_constant_time(View a, View b);

}  // namespace base
