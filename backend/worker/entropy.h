// SPDX-License-Identifier: MIT
// EntropyPool: the kernel's random bytes, fetched ahead so that a command seldom needs a system call for its nonces.
#pragma once

#include <array>
#include <span>

#include "lib/base/bytes.h"

namespace backend {

// Not for processes that fork: both would go on with the same bytes.
class EntropyPool {
 public:
  EntropyPool() = default;
  EntropyPool(const EntropyPool&) = delete;
  EntropyPool& operator=(const EntropyPool&) = delete;
  ~EntropyPool() { base::wipe(pool_.data(), pool_.size()); }

  void take(std::span<uint8_t> out);

 private:
  std::array<uint8_t, 4096> pool_{};
  size_t left_ = 0;  // at the end of the pool
};

}  // namespace backend
