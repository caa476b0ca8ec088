// SPDX-License-Identifier: MIT
// Preloaded into programs under `make bench`: counts their calls of malloc() and its sisters in a file that others can
// map, $BENCH_ALLOCATIONS/PID.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

// What stands behind malloc() and its sisters in glibc.
extern "C" {
void* __libc_malloc(size_t size);             // NOLINT(bugprone-reserved-identifier)
void* __libc_calloc(size_t n, size_t size);   // NOLINT(bugprone-reserved-identifier)
void* __libc_realloc(void* at, size_t size);  // NOLINT(bugprone-reserved-identifier)
}

namespace {

std::atomic<uint64_t> g_unseen{0};
std::atomic<std::atomic<uint64_t>*> g_count{&g_unseen};

void count() { g_count.load(std::memory_order_relaxed)->fetch_add(1, std::memory_order_relaxed); }

__attribute__((constructor)) void share() {
  const char* directory = getenv("BENCH_ALLOCATIONS");
  if (directory == nullptr) return;
  char path[256];
  snprintf(path, sizeof(path), "%s/%d", directory, getpid());
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, sizeof(uint64_t)) != 0) return;
  void* at = mmap(nullptr, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (at != MAP_FAILED) g_count.store(static_cast<std::atomic<uint64_t>*>(at));
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {
void* malloc(size_t size) {
  count();
  return __libc_malloc(size);
}
void* calloc(size_t n, size_t size) {
  count();
  return __libc_calloc(n, size);
}
void* realloc(void* at, size_t size) {
  count();
  return __libc_realloc(at, size);
}
}
#pragma GCC visibility pop
