// SPDX-License-Identifier: MIT
#include "lib/xen/domains.h"

#include <algorithm>
#include <iterator>
#include <vector>

namespace xen {

namespace {

ShutdownReason reason_in(uint32_t flags) {
  switch ((flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask) {
    case SHUTDOWN_poweroff:
      return ShutdownReason::Poweroff;
    case SHUTDOWN_reboot:
      return ShutdownReason::Reboot;
    case SHUTDOWN_suspend:
      return ShutdownReason::Suspend;
    case SHUTDOWN_crash:
      return ShutdownReason::Crash;
    default:
      return ShutdownReason::Other;
  }
}

DomainState state_in(const xc_domaininfo_t& info) {
  DomainState state;
  state.dying = (info.flags & XEN_DOMINF_dying) != 0;
  state.paused = (info.flags & XEN_DOMINF_paused) != 0;
  state.ever_ran = info.cpu_time != 0;
  if ((info.flags & XEN_DOMINF_shutdown) != 0) state.shutdown = reason_in(info.flags);
  return state;
}

bool paging_on(const vcpu_guest_context_x86_64_t& vcpu) {
  constexpr uint64_t kCr0Paging = 1U << 31;
  return (vcpu.ctrlreg[0] & kCr0Paging) != 0;
}

// The code selector is asked for first because a 32-bit guest's context has another layout: in a new one both places
// lie in what is still zero there, so that a new boot of either width is never taken for a restored domain.
bool trap_table_in_use(const vcpu_guest_context_x86_64_t& vcpu) {
  return vcpu.user_regs.cs != 0 && std::any_of(std::begin(vcpu.trap_ctxt), std::end(vcpu.trap_ctxt),
                                               [](const auto& t) { return t.address != 0; });
}

}  // namespace

Result<Domains> Domains::open() {
  Handle<xc_interface, xc_interface_close> handle(xc_interface_open(nullptr, nullptr, 0));
  if (!handle) return failed("open the hypervisor's control interface");
  return Domains(std::move(handle));
}

Result<std::optional<xc_domaininfo_t>> Domains::info(DomId domain) const {
  xc_domaininfo_t found{};
  int count = xc_domain_getinfolist(handle_.get(), static_cast<uint32_t>(domain), 1, &found);
  if (count < 0) return failed("ask the hypervisor about a domain");
  // The list begins with the next domain there is.
  if (count == 0 || found.domain != static_cast<domid_t>(domain)) return std::optional<xc_domaininfo_t>();
  return std::optional(found);
}

Result<std::optional<DomainState>> Domains::look(DomId domain) const {
  auto found = TRY(info(domain));
  return found ? std::optional(state_in(*found)) : std::optional<DomainState>();
}

Result<std::map<DomId, DomainState>> Domains::look_at(const std::set<DomId>&) const {
  constexpr size_t kAtOnce = 256;
  std::vector<xc_domaininfo_t> some(kAtOnce);
  std::map<DomId, DomainState> states;
  uint32_t first = 0;
  while (true) {
    int count = xc_domain_getinfolist(handle_.get(), first, kAtOnce, some.data());
    if (count < 0) return failed("ask the hypervisor about its domains");
    for (int i = 0; i < count; i++)
      states[DomId{some[static_cast<size_t>(i)].domain}] = state_in(some[static_cast<size_t>(i)]);
    if (static_cast<size_t>(count) < kAtOnce) return states;
    first = some.back().domain + 1U;
  }
}

Result<bool> Domains::shows_kernel(const xc_domaininfo_t& domain) const {
  vcpu_guest_context_any_t vcpu{};
  if (xc_vcpu_getcontext(handle_.get(), domain.domain, 0, &vcpu) != 0) return failed("look at a domain's first vCPU");
  bool hvm = (domain.flags & XEN_DOMINF_hvm_guest) != 0;
  return hvm ? paging_on(vcpu.x64) : trap_table_in_use(vcpu.x64);
}

Result<BootLook> Domains::boot_look(DomId domain) const {
  auto found = TRY(info(domain));
  if (!found) return SysError{ESRCH, "look at a domain"};
  if ((found->flags & XEN_DOMINF_paused) == 0 || found->cpu_time != 0) return BootLook::TooLate;
  return TRY(shows_kernel(*found)) ? BootLook::Restored : BootLook::Fresh;
}

Result<bool> Domains::looks_new(DomId domain) const {
  auto found = TRY(info(domain));
  if (!found) return SysError{ESRCH, "look at a domain"};
  return !TRY(shows_kernel(*found));
}

}  // namespace xen
