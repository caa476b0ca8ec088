// SPDX-License-Identifier: MIT
// Domains: what the hypervisor knows about a domain and its first vCPU (libxenctrl). Only dom0 may ask.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "lib/xen/handle.h"
#include "lib/xen/store.h"

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
  bool operator==(const DomainState&) const = default;
};

// What the first vCPU of a domain that has not run yet says about it.
enum class BootLook {
  Fresh,     // nothing set up: a new boot, or a guest that made its saved state look like one
  Restored,  // a trap table in use or paging on: no new boot looks so
  TooLate,   // the domain has run already: its looks prove nothing
};

// What is known of domains, by whoever may know it.
class DomainFacts {
 public:
  virtual ~DomainFacts() = default;
  // Nothing when there is no such domain, or nothing is known of it yet.
  virtual Result<std::optional<DomainState>> look(DomId domain) const = 0;
  // Those of the domains that there are; perhaps of others, too.
  virtual Result<std::map<DomId, DomainState>> look_at(const std::set<DomId>& domains) const = 0;
  virtual Result<BootLook> boot_look(DomId domain) const = 0;
  // Whether its first vCPU shows nothing that a kernel sets up. Of a suspended domain: whether what is restored from
  // its image will look like a new boot.
  virtual Result<bool> looks_new(DomId domain) const = 0;
  // Whether it is known to have looked so while it was suspended before.
  virtual bool looked_new(DomId) const { return false; }
  // Facts come some time after the domain: nothing known is not the end of it.
  virtual bool come_late() const { return false; }
  // What to watch in XenStore for changes.
  virtual std::vector<Path> signs() const = 0;
};

// From the hypervisor itself.
class Domains : public DomainFacts {
 public:
  static Result<Domains> open();
  Result<std::optional<DomainState>> look(DomId domain) const override;
  // At the price of a few questions, however many there are.
  Result<std::map<DomId, DomainState>> look_at(const std::set<DomId>& domains) const override;
  Result<BootLook> boot_look(DomId domain) const override;
  Result<bool> looks_new(DomId domain) const override;
  std::vector<Path> signs() const override { return {"@releaseDomain", "@introduceDomain"}; }

 private:
  explicit Domains(Handle<xc_interface, xc_interface_close> handle) : handle_(std::move(handle)) {}
  Result<std::optional<xc_domaininfo_t>> info(DomId domain) const;
  Result<bool> shows_kernel(const xc_domaininfo_t& domain) const;

  Handle<xc_interface, xc_interface_close> handle_;
};

}  // namespace xen
