// SPDX-License-Identifier: MIT
#include "backend/socket/host.h"

#include <sys/random.h>

#include <cerrno>
#include <chrono>

#include "lib/base/verify.h"

namespace socketd {

void Host::entropy(std::span<uint8_t> out) {
  while (!out.empty()) {
    ssize_t n = ::getrandom(out.data(), out.size(), 0);
    VERIFY(n > 0 || errno == EINTR);
    if (n > 0) out = out.subspan(static_cast<size_t>(n));
  }
}

uint64_t Host::now_us() {
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

}  // namespace socketd
