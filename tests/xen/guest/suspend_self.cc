// SPDX-License-Identifier: MIT
// Shuts its domain down with the reason `suspend`, unasked: what a guest does that wants its next kernel to find the
// PCRs of this one. Needs the module xen-privcmd; returns only when it has failed.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>

namespace {

// Of Xen's public headers and Linux' privcmd interface.
constexpr uint64_t kSchedOp = 29;
constexpr uint64_t kShutdown = 2;
constexpr uint32_t kReasonSuspend = 2;

struct Hypercall {
  uint64_t number;
  uint64_t arguments[5];
};

}  // namespace

int main() {
  int privcmd = ::open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
  uint32_t reason = kReasonSuspend;
  Hypercall call{kSchedOp, {kShutdown, reinterpret_cast<uintptr_t>(&reason)}};
  ::ioctl(privcmd, _IOC(_IOC_NONE, 'P', 0, sizeof call), &call);
  std::perror("suspend_self");
  return 1;
}
