// SPDX-License-Identifier: MIT
// Refusal: why the vault does not do something, and what the administrator can do about it.
#pragma once

#include <string>

#include "backend/vault/seal.h"
#include "lib/base/result.h"

namespace vault {

struct Refusal {
  enum class Kind {
    Unknown,      // no such instance
    Exists,       // there is one already, or there was one and it was removed
    Conflict,     // the stored epoch is not the expected one, or what is asked for does not fit what there is
    Leased,       // somebody else serves it
    Quarantined,  // its state cannot be had or trusted; an administrator decides
    Moved,        // it is on its way between hosts, or at another one
    Broken,       // the store itself cannot be used
  };
  Kind kind = Kind::Broken;
  std::string text;
};
template <class T = void>
using Result = base::Result<T, Refusal>;

}  // namespace vault
