// SPDX-License-Identifier: MIT
// Domains: what the hypervisor knows about a domain and its first vCPU (libxenctrl). Works in dom0 only.
#pragma once

#include <map>
#include <optional>

#include "lib/xen/handle.h"

extern "C" {  // the header does not say so itself
#include <xenctrl.h>
}

namespace xen {

enum class ShutdownReason { Poweroff, Reboot, Suspend, Crash, Other };

struct DomainState {
  bool dying = false;
  bool paused = false;
  bool ever_ran = false;
  std::optional<ShutdownReason> shutdown;  // nothing: it has not shut down, or runs again
};

// What the first vCPU of a domain that has not run yet says about it.
enum class BootLook {
  Fresh,     // nothing set up: a new boot, or a guest that made its saved state look like one
  Restored,  // a trap table in use or paging on: no new boot looks so
  TooLate,   // the domain has run already: its looks prove nothing
};

class Domains {
 public:
  static Result<Domains> open();
  // Nothing when there is no such domain.
  Result<std::optional<DomainState>> look(DomId domain) const;
  // All of them, at the price of a few questions.
  Result<std::map<DomId, DomainState>> all() const;
  Result<BootLook> boot_look(DomId domain) const;
  // Whether its first vCPU shows nothing that a kernel sets up. Of a suspended domain: whether what is restored from
  // its image will look like a new boot.
  Result<bool> looks_new(DomId domain) const;

 private:
  explicit Domains(Handle<xc_interface, xc_interface_close> handle) : handle_(std::move(handle)) {}
  Result<std::optional<xc_domaininfo_t>> info(DomId domain) const;
  Result<bool> shows_kernel(const xc_domaininfo_t& domain) const;

  Handle<xc_interface, xc_interface_close> handle_;
};

}  // namespace xen
