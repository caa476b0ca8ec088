// SPDX-License-Identifier: MIT
#include "lib/base/verify.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace base {

void verify_failed(const char* condition, const char* file, int line) {
  std::array<char, 512> text{};
  int n = snprintf(text.data(), text.size(), "%s:%d: broken invariant: %s\n", file, line, condition);
  if (n > 0) {
    size_t length = static_cast<size_t>(n) < text.size() ? static_cast<size_t>(n) : text.size() - 1;
    [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, text.data(), length);
  }
  ::abort();
}

}  // namespace base
