// SPDX-License-Identifier: MIT
// A state outside the process, in plain: what it is, a digest that tells a damaged one from a whole one, the state.
#pragma once

#include <array>
#include <string>

#include "lib/base/bytes.h"
#include "lib/base/result.h"

namespace socketd {

// The failure is a sentence for the administrator.
template <class T>
using Or = base::Result<T, std::string>;

using Sha256 = std::array<uint8_t, 32>;
Sha256 sha256(base::View bytes);

enum class Part { Permanent, Volatile };

base::Bytes pack(Part part, base::View state);
// The state of a blob of this kind, or why it is none.
Or<base::Bytes> unpack(Part part, base::View blob);

}  // namespace socketd
