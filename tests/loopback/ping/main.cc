// SPDX-License-Identifier: MIT
// Two processes on two domains, linked with the real Xen libraries, bounce a counter through a granted page. Under the
// preloaded library it shows that the stock symbols are replaced and that, once bound and restricted, nothing but
// read, write and poll is called: any other system call kills the process.
//   ping guest            grants a page and prints "REF PORT", then bounces until the page says stop
//   ping dom0 DOMID REF PORT ROUNDS
#include <poll.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

extern "C" {
#include <xenevtchn.h>
#include <xengnttab.h>
}

namespace {

constexpr uint32_t kStop = UINT32_MAX;

[[noreturn]] void die(const char* what) {
  perror(what);
  exit(1);
}

void allow_only_the_hot_path() {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
  for (int call : {SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(poll), SCMP_SYS(exit_group)}) {
    if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) != 0) die("seccomp_rule_add");
  }
  if (seccomp_load(filter) != 0) die("seccomp_load");
}

void wait_and_take(xenevtchn_handle* events) {
  pollfd state{.fd = xenevtchn_fd(events), .events = POLLIN, .revents = 0};
  if (poll(&state, 1, 10000) != 1) _exit(3);
  int port = xenevtchn_pending(events);
  if (port < 0 || xenevtchn_unmask(events, static_cast<evtchn_port_t>(port)) != 0) _exit(4);
}

int guest() {
  xenevtchn_handle* events = xenevtchn_open(nullptr, 0);
  xengntshr_handle* grants = xengntshr_open(nullptr, 0);
  if (events == nullptr || grants == nullptr) die("open");
  auto port = static_cast<evtchn_port_t>(xenevtchn_bind_unbound_port(events, 0));
  uint32_t ref = 0;
  auto* page = static_cast<uint32_t*>(xengntshr_share_pages(grants, 0, 1, &ref, 1));
  if (page == nullptr) die("share");
  printf("%u %u\n", ref, port);
  fflush(stdout);
  for (;;) {
    wait_and_take(events);
    uint32_t asked = __atomic_load_n(&page[0], __ATOMIC_ACQUIRE);
    if (asked == kStop) return 0;
    __atomic_store_n(&page[1], asked, __ATOMIC_RELEASE);
    xenevtchn_notify(events, port);
  }
}

int dom0(uint32_t domid, uint32_t ref, uint32_t remote, uint32_t rounds) {
  xenevtchn_handle* events = xenevtchn_open(nullptr, 0);
  xengnttab_handle* grants = xengnttab_open(nullptr, 0);
  if (events == nullptr || grants == nullptr) die("open");
  auto* page = static_cast<uint32_t*>(xengnttab_map_grant_ref(grants, domid, ref, PROT_READ | PROT_WRITE));
  if (page == nullptr) die("map");
  auto port = static_cast<evtchn_port_t>(xenevtchn_bind_interdomain(events, domid, remote));
  if (xenevtchn_restrict(events, static_cast<domid_t>(domid)) != 0) die("restrict");
  xengnttab_close(grants);
  allow_only_the_hot_path();
  for (uint32_t round = 1; round <= rounds; round++) {
    __atomic_store_n(&page[0], round, __ATOMIC_RELEASE);
    xenevtchn_notify(events, port);
    while (__atomic_load_n(&page[1], __ATOMIC_ACQUIRE) != round) wait_and_take(events);
  }
  __atomic_store_n(&page[0], kStop, __ATOMIC_RELEASE);
  xenevtchn_notify(events, port);
  _exit(0);
}

uint32_t number(const char* text) { return static_cast<uint32_t>(strtoul(text, nullptr, 10)); }

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2) return guest();
  if (argc == 6) return dom0(number(argv[2]), number(argv[3]), number(argv[4]), number(argv[5]));
  return 2;
}
