// SPDX-License-Identifier: MIT
// LegacyRing: the front half of version 1: a slot that names the page in which the command lies, granted for this one
// command; the answer comes there. No cancelling, and locality 0 alone.
#pragma once

#include "frontend/ring.h"

namespace frontend {

class LegacyRing : public AnyRing {
 public:
  static xen::Result<std::unique_ptr<LegacyRing>> make(xen::DomId backend);

  xen::Result<base::Bytes> transact(base::View command, uint8_t locality, std::chrono::milliseconds patience,
                                    std::chrono::milliseconds grace, const Interruption& interruption) override;
  bool busy() const override;

 private:
  LegacyRing(xen::GrantShare share, xen::EventChannel channel, xen::DomId backend)
      : AnyRing(std::move(share), std::move(channel)), backend_(backend) {}
  xen::Result<> submit(base::View command);
  uint16_t told_size() const;
  xen::Result<base::Bytes> response() const;

  xen::DomId backend_;
  std::optional<xen::GrantShare> packet_;  // while a command is in flight
};

}  // namespace frontend
