// SPDX-License-Identifier: MIT
#include "tests/bench/ring/system_calls.h"

#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

namespace bench {

namespace {

// glibc and the kernel both define the structure; this is its beginning.
struct SyscallInfo {
  uint8_t op;
  uint8_t pad[3];
  uint32_t arch;
  uint64_t instruction_pointer, stack_pointer;
  uint64_t number, arguments[6];
  uint64_t more[2];
};
constexpr int kGetSyscallInfo = 0x420e;
constexpr uint8_t kEntry = 1;
constexpr int kSyscallStop = SIGTRAP | 0x80;

// The C library's ptrace() wants numbers as pointers.
template <class Data>
long trace(long request, pid_t process, unsigned long address, Data data) {
  return ::syscall(SYS_ptrace, request, process, address, data);
}

bool wait_for_stop(pid_t process, int& status, const std::atomic<bool>& ended) {
  for (;;) {
    pid_t seen = ::waitpid(process, &status, __WALL | WNOHANG);
    if (seen == process) return WIFSTOPPED(status);
    if (seen < 0) return false;
    if (ended) return false;
    ::sched_yield();
  }
}

}  // namespace

std::optional<SystemCalls> system_calls_of(pid_t process, const std::function<void()>& f) {
  if (trace(PTRACE_SEIZE, process, 0, long{PTRACE_O_TRACESYSGOOD}) != 0) {
    return std::nullopt;
  }
  trace(PTRACE_INTERRUPT, process, 0, 0L);
  SystemCalls calls;
  std::atomic<bool> ended = false;
  int status = 0;
  if (!wait_for_stop(process, status, ended)) return std::nullopt;
  trace(PTRACE_SYSCALL, process, 0, 0L);
  std::thread thread([&] {
    f();
    ended = true;
  });
  while (wait_for_stop(process, status, ended)) {
    SyscallInfo info{};
    if (WSTOPSIG(status) == kSyscallStop && trace(kGetSyscallInfo, process, sizeof(info), &info) > 0 &&
        info.op == kEntry) {
      calls[info.number]++;
    }
    trace(PTRACE_SYSCALL, process, 0, 0L);
  }
  thread.join();
  // It waits inside poll() and has to be stopped before it can be let go.
  trace(PTRACE_INTERRUPT, process, 0, 0L);
  ::waitpid(process, &status, __WALL);
  trace(PTRACE_DETACH, process, 0, 0L);
  return calls;
}

}  // namespace bench
