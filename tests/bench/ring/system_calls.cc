// SPDX-License-Identifier: MIT
#include "tests/bench/ring/system_calls.h"

#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

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

void* as_pointer(unsigned long number) {
  return static_cast<char*>(nullptr) + number;  // ptrace() passes numbers as pointers
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
  if (::ptrace(static_cast<__ptrace_request>(PTRACE_SEIZE), process, nullptr, as_pointer(PTRACE_O_TRACESYSGOOD)) != 0) {
    return std::nullopt;
  }
  ::ptrace(static_cast<__ptrace_request>(PTRACE_INTERRUPT), process, nullptr, nullptr);
  SystemCalls calls;
  std::atomic<bool> ended = false;
  int status = 0;
  if (!wait_for_stop(process, status, ended)) return std::nullopt;
  ::ptrace(PTRACE_SYSCALL, process, nullptr, nullptr);
  std::thread thread([&] {
    f();
    ended = true;
  });
  while (wait_for_stop(process, status, ended)) {
    SyscallInfo info{};
    if (WSTOPSIG(status) == kSyscallStop &&
        ::ptrace(static_cast<__ptrace_request>(kGetSyscallInfo), process, as_pointer(sizeof(info)), &info) > 0 &&
        info.op == kEntry) {
      calls[info.number]++;
    }
    ::ptrace(PTRACE_SYSCALL, process, nullptr, nullptr);
  }
  thread.join();
  // It waits inside poll() and has to be stopped before it can be let go.
  ::ptrace(static_cast<__ptrace_request>(PTRACE_INTERRUPT), process, nullptr, nullptr);
  ::waitpid(process, &status, __WALL);
  ::ptrace(PTRACE_DETACH, process, nullptr, nullptr);
  return calls;
}

}  // namespace bench
