// SPDX-License-Identifier: MIT
#include "backend/worker/entropy.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>

#include "lib/base/verify.h"

namespace backend {

namespace {

void fill(std::span<uint8_t> out) {
  while (!out.empty()) {
    ssize_t n = getrandom(out.data(), out.size(), 0);
    VERIFY(n > 0 || errno == EINTR);
    if (n > 0) out = out.subspan(static_cast<size_t>(n));
  }
}

}  // namespace

void EntropyPool::take(std::span<uint8_t> out) {
  while (!out.empty()) {
    if (left_ == 0) {
      fill(pool_);
      left_ = pool_.size();
    }
    size_t n = std::min(left_, out.size());
    std::span<uint8_t> from = std::span(pool_).subspan(pool_.size() - left_, n);
    std::copy(from.begin(), from.end(), out.begin());
    base::wipe(from.data(), n);  // given out once
    left_ -= n;
    out = out.subspan(n);
  }
}

}  // namespace backend
