// SPDX-License-Identifier: MIT
// What another process asks of the kernel while something runs, seen from outside by ptrace.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>

namespace bench {

using SystemCalls = std::map<uint64_t, uint64_t>;  // number of the call -> times

// Those that `process` entered while `f` ran in a thread; nothing when it cannot be traced.
std::optional<SystemCalls> system_calls_of(pid_t process, const std::function<void()>& f);

}  // namespace bench
