// SPDX-License-Identifier: MIT
// What a new TPM is made as.
#pragma once

#include <string>

#include "backend/socket/state_file.h"
#include "engine/engine.h"

namespace socketd {

// With the files of an authority its endorsement key is certified; both may be empty.
Or<tpm::Factory> factory(bool endorsement_key, const std::string& ca_certificate, const std::string& ca_key);

}  // namespace socketd
