// SPDX-License-Identifier: MIT
// The descriptors that vtpm-grantd is born with, and no others beyond standard error.
#pragma once

namespace grantd {

inline constexpr int kWorkerFd = 3;  // socket pair to the worker
inline constexpr int kMemoryFd = 4;  // memfd of transfer::kMemoryBytes, sealed against resizing

}  // namespace grantd
