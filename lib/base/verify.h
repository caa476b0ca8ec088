// SPDX-License-Identifier: MIT
// VERIFY: what cannot be. A broken invariant prints its place and aborts the process.
#pragma once

namespace base {
[[noreturn]] void verify_failed(const char* condition, const char* file, int line);
}

#define VERIFY(condition) ((condition) ? static_cast<void>(0) : base::verify_failed(#condition, __FILE__, __LINE__))
