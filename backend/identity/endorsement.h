// SPDX-License-Identifier: MIT
// What is kept of an instance's endorsement key, so that nobody needs its TPM to tell.
#pragma once

#include <optional>

#include "backend/identity/authority.h"
#include "lib/wire/sized.h"

namespace identity {

struct Endorsement {
  uint8_t version = 1;
  bool present = false;
  Modulus modulus{};
  wire::SizedBytes certificate;  // in DER; empty: it has none of ours

  // Nothing for what is not one.
  static std::optional<Endorsement> from_kept(base::View kept) {
    auto decoded = wire::decode<Endorsement>(kept);
    if (!decoded.ok() || decoded.value().version != 1) return std::nullopt;
    return std::move(decoded).take();
  }
  bool operator==(const Endorsement&) const = default;
};

}  // namespace identity
