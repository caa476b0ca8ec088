// SPDX-License-Identifier: MIT
// Preloaded into a worker in dom0, and in no product: a guest that extends a PCR with the event below crashes the worker
// in the middle of the command.

#include <dlfcn.h>

#include <cstddef>
#include <cstring>

namespace {
constexpr char kEvent[] = "crash the worker now";  // as long as a digest
}

extern "C" __attribute__((visibility("default"))) int SHA1_Update(void* context, const void* bytes, size_t size) {
  if (::memmem(bytes, size, kEvent, sizeof kEvent - 1) != nullptr) __builtin_trap();
  static auto* real = reinterpret_cast<int (*)(void*, const void*, size_t)>(::dlsym(RTLD_NEXT, "SHA1_Update"));
  return real(context, bytes, size);
}
