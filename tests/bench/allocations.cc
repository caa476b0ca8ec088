// SPDX-License-Identifier: MIT
#include "tests/bench/allocations.h"

#include <atomic>
#include <cstddef>

// What stands behind malloc() and its sisters in glibc; ours, being in the program, take the place of its own.
extern "C" {
void* __libc_malloc(size_t size);             // NOLINT(bugprone-reserved-identifier)
void* __libc_calloc(size_t n, size_t size);   // NOLINT(bugprone-reserved-identifier)
void* __libc_realloc(void* at, size_t size);  // NOLINT(bugprone-reserved-identifier)
}

namespace {
std::atomic<uint64_t> g_count{0};
}

extern "C" {
void* malloc(size_t size) {
  g_count.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}
void* calloc(size_t n, size_t size) {
  g_count.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(n, size);
}
void* realloc(void* at, size_t size) {
  g_count.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(at, size);
}
}

uint64_t bench::allocations() { return g_count.load(std::memory_order_relaxed); }
