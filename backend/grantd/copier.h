// SPDX-License-Identifier: MIT
// Copier: what vtpm-grantd does: moves bytes between pages that one domain has granted and two buffers, as a worker
// orders.
#pragma once

#include <span>

#include "backend/ring/transfer.h"
#include "lib/xen/grant.h"

namespace backend {

class Copier {
 public:
  // `memory` is transfer::kMemoryBytes long, and outlives this.
  Copier(xen::GrantCopy copy, std::span<uint8_t> memory) : copy_(std::move(copy)), memory_(memory) {}

  // EINVAL: a worker does not say that.
  xen::Result<transfer::Outcome> obey(const transfer::Order& order);

 private:
  xen::GrantCopy copy_;
  std::span<uint8_t> memory_;
};

}  // namespace backend
