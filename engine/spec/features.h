// SPDX-License-Identifier: MIT
// What this build offers beyond what every build does.
#pragma once

namespace tpm {

// Part 3, 12: `make MAINTENANCE=1`. Off by default: an archive takes the storage root key out of its TPM.
#ifdef WITH_MAINTENANCE
inline constexpr bool kMaintenance = true;
#else
inline constexpr bool kMaintenance = false;
#endif

}  // namespace tpm
