// SPDX-License-Identifier: MIT
// GrantdTransfers: the worker's side of vtpm-grantd.
#pragma once

#include <memory>

#include "backend/ring/legacy.h"
#include "backend/ring/transfer.h"
#include "backend/vault/durable.h"

namespace backend {

class GrantdTransfers : public Transfers {
 public:
  // Fails when vtpm-grantd does not say that it is ready.
  static xen::Result<std::unique_ptr<GrantdTransfers>> join(vault::Fd socket, const vault::Fd& memory);
  GrantdTransfers(const GrantdTransfers&) = delete;
  GrantdTransfers& operator=(const GrantdTransfers&) = delete;
  ~GrantdTransfers() override;

  Moved fetch(xen::GrantRef ref, uint16_t offset, uint16_t n) override;
  Moved deliver(xen::GrantRef ref, uint16_t offset, uint16_t n) override;
  base::ForeignBytes incoming() const override;
  base::ForeignBytes outgoing() const override;

 private:
  GrantdTransfers(vault::Fd socket, std::span<uint8_t> memory) : socket_(std::move(socket)), memory_(memory) {}
  xen::Result<transfer::Outcome> ask(const transfer::Order& order);
  Moved move(const transfer::Order& order);
  base::ForeignBytes buffer(size_t at) const;

  vault::Fd socket_;
  std::span<uint8_t> memory_;
};

}  // namespace backend
