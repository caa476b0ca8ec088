// SPDX-License-Identifier: MIT
// Shuts its domain down with the reason `suspend`, unasked: what a guest does that wants its next kernel to find the
// PCRs of this one. With the argument `new` its vCPU has an empty trap table then, as that of a new PV boot. Needs the
// module xen-privcmd; returns only when it has failed.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>

namespace {

// Of Xen's public headers and Linux' privcmd interface.
constexpr uint64_t kSetTrapTable = 0, kMulticall = 13, kSchedOp = 29;
constexpr uint64_t kShutdown = 2;
constexpr uint32_t kReasonSuspend = 2;

struct Hypercall {
  uint64_t number;
  uint64_t arguments[5];
};
struct Entry {  // of a multicall
  uint64_t number, result;
  uint64_t arguments[6];
};

}  // namespace

int main(int argc, char** argv) {
  int privcmd = ::open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
  uint32_t reason = kReasonSuspend;
  auto where = reinterpret_cast<uintptr_t>(&reason);
  // In one call: without traps there is no way back.
  Entry both[] = {{kSetTrapTable, 0, {}}, {kSchedOp, 0, {kShutdown, where}}};
  Hypercall call{kSchedOp, {kShutdown, where}};
  if (argc > 1 && std::strcmp(argv[1], "new") == 0) call = {kMulticall, {reinterpret_cast<uintptr_t>(both), 2}};
  ::ioctl(privcmd, _IOC(_IOC_NONE, 'P', 0, sizeof call), &call);
  std::perror("suspend_self");
  return 1;
}
