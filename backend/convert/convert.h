// SPDX-License-Identifier: MIT
// From a state of libtpms to one of the engine, with the list of what goes along and what does not.
#pragma once

#include <vector>

#include "backend/convert/libtpms.h"
#include "engine/platform.h"

namespace convert {

struct Remark {
  bool carried = true;
  std::string text;
};

struct Converted {
  base::Bytes permanent;  // as the engine keeps it
  bool enabled = true, activated = true;
  base::Bytes endorsement_modulus;  // empty: there is no endorsement key
  std::vector<Remark> remarks;
};

// `platform` gives entropy only.
Result<Converted> convert(const libtpms::State& state, tpm::Platform& platform);

}  // namespace convert
