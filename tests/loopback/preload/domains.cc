// SPDX-License-Identifier: MIT
// The calls of libxenctrl that tell what has become of a domain, and whether it was booted or restored.
#include <errno.h>
#include <unistd.h>

#include <cstring>
#include <new>

#include "tests/loopback/preload/connection.h"

#undef __STRICT_ANSI__  // Xen's headers use a GNU extension that they believe absent from strict C++
extern "C" {
#include <xenctrl.h>
}

struct xc_interface_core {
  loopback::Connection machine;
};

namespace {

using loopback::DomainRecord;
using loopback::Op;

// What was seen in first vCPUs: an entry address at boot, trap tables and paging once a kernel runs.
constexpr uint64_t kEntry = 0xffffffff81000000;
constexpr uint64_t kBootCr0 = 0x11, kRunningCr0 = 0x80050033;
constexpr uint16_t kCodeSegment = 0xe033;
constexpr unsigned kTraps = 33;

using loopback::kListed;

// The domains from `first` on, at most kListed of them; their number, or -1 with errno.
int list(xc_interface* xch, uint32_t first, size_t room, DomainRecord (&records)[kListed]) {
  loopback::Request request = loopback::request(Op::ListDomains);
  request.a = first;
  loopback::Reply reply;
  int fds[2];
  if (xch->machine.call(request, -1, reply, fds, records, sizeof(records)) != 0) return -1;
  return static_cast<int>(reply.n < room ? reply.n : room);
}

// Calls `take` for each domain from `first` on, at most `room` times; how often, or -1 with errno.
template <class Take>
int each(xc_interface* xch, uint32_t first, unsigned room, Take take) {
  DomainRecord records[kListed];
  unsigned taken = 0;
  while (taken < room) {
    int n = list(xch, first, room - taken, records);
    if (n < 0) return -1;
    for (int i = 0; i < n; i++) take(taken++, records[i]);
    if (n < static_cast<int>(kListed)) break;
    first = records[n - 1].domain + 1;
  }
  return static_cast<int>(taken);
}

uint32_t flags_of(const DomainRecord& record) {
  uint32_t flags = 0;
  if (record.dying) flags |= XEN_DOMINF_dying;
  if (record.pvh) flags |= XEN_DOMINF_hvm_guest | XEN_DOMINF_hap;
  if (record.shut_down) flags |= XEN_DOMINF_shutdown;
  if (record.paused) flags |= XEN_DOMINF_paused;
  bool stopped = record.dying || record.shut_down || record.paused;
  if (!stopped) flags |= record.domain == 0 ? XEN_DOMINF_running : XEN_DOMINF_blocked;
  if (record.shut_down || record.dying)
    flags |= static_cast<uint32_t>(record.shutdown_reason) << XEN_DOMINF_shutdownshift;
  return flags;
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

xc_interface* xc_interface_open(xentoollog_logger*, xentoollog_logger*, unsigned) {
  auto* xch = new (std::nothrow) xc_interface_core;
  if (xch == nullptr || xch->machine.open()) return xch;
  delete xch;
  return nullptr;
}

int xc_interface_close(xc_interface* xch) {
  delete xch;
  return 0;
}

int xc_domain_getinfolist(xc_interface* xch, uint32_t first_domain, unsigned max_domains, xc_domaininfo_t* info) {
  return each(xch, first_domain, max_domains, [info](unsigned i, const DomainRecord& record) {
    info[i] = {};
    info[i].domain = static_cast<domid_t>(record.domain);
    info[i].flags = flags_of(record);
    info[i].cpu_time = record.has_run;
    info[i].nr_online_vcpus = 1;
    memcpy(info[i].handle, record.uuid, sizeof(record.uuid));
  });
}

int xc_domain_getinfo(xc_interface* xch, uint32_t first_domid, unsigned max_doms, xc_dominfo_t* info) {
  return each(xch, first_domid, max_doms, [info](unsigned i, const DomainRecord& record) {
    uint32_t flags = flags_of(record);
    info[i] = {};
    info[i].domid = record.domain;
    info[i].dying = record.dying & 1;
    info[i].shutdown = record.shut_down & 1;
    info[i].paused = record.paused & 1;
    info[i].blocked = (flags & XEN_DOMINF_blocked) != 0;
    info[i].running = (flags & XEN_DOMINF_running) != 0;
    info[i].cpu_time = record.has_run;
    info[i].hvm = record.pvh & 1;
    info[i].hap = record.pvh & 1;
    info[i].shutdown_reason = (flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask;
    info[i].crashed = info[i].shutdown && info[i].shutdown_reason == SHUTDOWN_crash;
    info[i].nr_online_vcpus = 1;
    memcpy(info[i].handle, record.uuid, sizeof(record.uuid));
  });
}

int xc_vcpu_getcontext(xc_interface* xch, uint32_t domid, uint32_t vcpu, vcpu_guest_context_any_t* context) {
  DomainRecord record{};
  int n = each(xch, domid, 1, [&record](unsigned, const DomainRecord& found) { record = found; });
  if (n < 0) return -1;
  if (n == 0 || record.domain != domid || record.dying || vcpu != 0) {
    errno = n == 0 || record.domain != domid ? ESRCH : EINVAL;
    return -1;
  }
  // A kernel that has set itself up has its traps set, or its paging on.
  bool running = record.kernel_set_up != 0;
  memset(context, 0, sizeof(*context));
  context->c.user_regs.rip = kEntry;
  context->c.user_regs.cs = kCodeSegment;
  if (record.pvh) {
    context->c.ctrlreg[0] = running ? kRunningCr0 : kBootCr0;
  } else if (running) {
    for (unsigned i = 0; i < kTraps; i++) {
      context->c.trap_ctxt[i].vector = static_cast<uint8_t>(i);
      context->c.trap_ctxt[i].cs = kCodeSegment;
      context->c.trap_ctxt[i].address = kEntry + i + 1;
    }
  }
  return 0;
}

}  // extern "C"
#pragma GCC visibility pop
