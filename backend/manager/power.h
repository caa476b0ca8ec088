// SPDX-License-Identifier: MIT
// When a TPM keeps its volatile state and when it has lost it: decided here, from what is known about the domain, and
// nowhere else. Never fresh PCRs for a kernel that runs on, never an old kernel's PCRs for a new one.
#pragma once

#include <array>
#include <optional>

#include "backend/vault/vault.h"
#include "lib/xen/domains.h"

namespace backend {

using HostBoot = std::array<uint8_t, 16>;

// The domain that wants to be served.
struct Here {
  HostBoot host{};  // which boot of the host: a domain's number means nothing beyond it
  uint16_t domain = 0;
  xen::BootLook look = xen::BootLook::TooLate;  // from before it ran for the first time
  bool served = false;                          // it has been served before
};

enum class Take {
  PowerOn,   // a new power cycle
  Marked,    // a new power cycle that anybody can see is no clean boot: an older kernel may have been saved, or was
  Snapshot,  // go on from the stored snapshot, which is used up thereby
  Lost,      // the guest goes on but its volatile state is gone: TPM_FAILEDSELFTEST until its next power cycle
  Refuse,    // a suspended state stands, and the domain that has run already may be its own or not
};
Take how_to_start(const vault::Power& power, uint64_t epoch, const Here& here);

// What a stopped worker's snapshot is kept as; Off: it is dropped, power is lost.
vault::Power::Kind kept_as(const std::optional<xen::DomainState>& domain);

// Of a domain that went while nobody looked: it may have been saved.
inline constexpr xen::DomainState kUnseenEnd{.dying = true, .shutdown = xen::ShutdownReason::Suspend};

// What becomes of a standing record when a device goes away without having been served since; nothing: it stays.
std::optional<vault::Power::Kind> settled_as(const vault::Power& power, const Here& here,
                                             const std::optional<xen::DomainState>& domain);

// Which boot of this host it is.
HostBoot this_boot();

}  // namespace backend
