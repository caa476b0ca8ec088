// SPDX-License-Identifier: MIT
#include "backend/manager/power.h"

#include <fstream>
#include <string>

#include "lib/base/verify.h"

namespace backend {

using Kind = vault::Power::Kind;
using xen::BootLook;

namespace {

bool same_domain(const vault::Power& power, const Here& here) {
  return power.host == here.host && power.domain == here.domain;
}

bool suspended(const std::optional<xen::DomainState>& domain) {
  return domain && domain->shutdown == xen::ShutdownReason::Suspend;
}

bool runs_on(const std::optional<xen::DomainState>& domain) { return domain && !domain->dying && !domain->shutdown; }

}  // namespace

Take how_to_start(const vault::Power& power, uint64_t epoch, const Here& here) {
  bool restored = here.look == BootLook::Restored;
  bool snapshot = power.kind == Kind::Parked || power.kind == Kind::Suspended;
  bool its_own = same_domain(power, here) ? power.kind != Kind::Off : power.kind == Kind::Suspended && restored;
  if (its_own) return snapshot && power.epoch == epoch ? Take::Snapshot : Take::Lost;
  if (restored || here.served) return Take::Lost;
  // A hostile guest can make its saved state look fresh: it gets no clean boot as long as it may come back.
  if (power.kind == Kind::Suspended) return here.look == BootLook::Fresh ? Take::Marked : Take::Refuse;
  // Nobody saw the end of the domain that had it. It may have been saved, with the looks that this one has.
  if (power.kind == Kind::Running && power.host == here.host && here.look == BootLook::Fresh) return Take::Marked;
  return power.saved_stands ? Take::Marked : Take::PowerOn;
}

Kind kept_as(const std::optional<xen::DomainState>& domain) {
  if (suspended(domain)) return Kind::Suspended;
  return runs_on(domain) ? Kind::Parked : Kind::Off;
}

std::optional<Kind> settled_as(const vault::Power& power, const Here& here,
                               const std::optional<xen::DomainState>& domain) {
  if (runs_on(domain)) return std::nullopt;
  // Its worker died before it; nothing is left but that it ended.
  if (power.kind == Kind::Running && same_domain(power, here))
    return suspended(domain) ? std::nullopt : std::optional(Kind::Off);
  if (power.kind == Kind::Parked && same_domain(power, here)) return suspended(domain) ? Kind::Suspended : Kind::Off;
  // The restored domain, or the suspended one that ran on, ended without having touched its TPM: its power cycle ends
  // the snapshot's life. A stranger's end does not: the suspended domain may still come back.
  bool its_own = here.look == BootLook::Restored || same_domain(power, here);
  if (power.kind == Kind::Suspended && its_own && !suspended(domain)) return Kind::Off;
  return std::nullopt;
}

HostBoot this_boot() {
  std::string text;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> text;
  auto boot = vault::uuid_in(text);
  VERIFY(boot.has_value());
  return *boot;
}

}  // namespace backend
