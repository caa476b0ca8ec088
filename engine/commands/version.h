// SPDX-License-Identifier: MIT
#pragma once

#include "engine/spec/other_structures.h"

namespace tpm {

// What TPM_CAP_VERSION_VAL and TPM_Quote2 say of this TPM: level 2, errata 3, revision 1.2.
constexpr CapVersionInfo version_info() {
  return {.version = 0x01020100, .spec_level = 2, .errata_rev = 3, .vendor = {'X', 'v', 'T', 'P'}};
}

}  // namespace tpm
