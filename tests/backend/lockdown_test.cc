// SPDX-License-Identifier: MIT
#include "backend/worker/lockdown.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "lib/base/bytes.h"
#include "lib/base/log.h"

namespace {

using backend::Where;

constexpr uid_t kUid = 1900000123;
constexpr int kDidIt = 7, kRefused = 8, kNotLockedDown = 9;

// The wait status of a child that locks itself down and then does `what`.
template <class F>
int status_of_locked_down(F what, Where host = Where::Loopback) {
  pid_t child = fork();
  EXPECT_GE(child, 0);
  if (child == 0) {
    base::log_level(base::Level::Error);
    if (!backend::lock_down({kUid, kUid, host}).ok()) _exit(kNotLockedDown);
    syscall(SYS_exit_group, what() ? kDidIt : kRefused);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

struct Forbidden {
  const char* name;
  bool (*attempt)();
};
// By number where the C library would choose another call.
const Forbidden kForbidden[] = {
    {"open", [] { return syscall(SYS_open, "/etc/passwd", O_RDONLY) >= 0; }},
    {"socket", [] { return socket(AF_INET, SOCK_STREAM, 0) >= 0; }},
    {"socketpair",
     [] {
       int fds[2];
       return socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0;
     }},
    {"connect", [] { return connect(0, nullptr, 0) == 0; }},
    {"bind", [] { return bind(0, nullptr, 0) == 0; }},
    {"fork", [] { return syscall(SYS_fork) >= 0; }},
    {"clone", [] { return syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, 0) >= 0; }},
    {"execve",
     [] {
       char* none[] = {nullptr};
       return execve("/bin/true", none, none) == 0;
     }},
    {"ptrace", [] { return ptrace(PTRACE_ATTACH, getppid(), nullptr, nullptr) == 0; }},
    {"kill", [] { return kill(getppid(), 0) == 0; }},
    {"setuid", [] { return setuid(0) == 0; }},
    {"mount", [] { return syscall(SYS_mount, "none", "/", "tmpfs", 0, nullptr) == 0; }},
    {"unlink", [] { return unlink("/tmp/nothing") == 0; }},
    {"ioctl", [] { return syscall(SYS_ioctl, 0, 0x5401, nullptr) == 0; }},
    {"process_vm_readv", [] { return syscall(SYS_process_vm_readv, getppid(), nullptr, 0, nullptr, 0, 0) == 0; }},
    {"io_uring_setup", [] { return syscall(SYS_io_uring_setup, 1, nullptr) >= 0; }},
    {"executable mmap",
     [] { return mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED; }},
    {"prctl", [] { return syscall(SYS_prctl, 4, 1, 0, 0, 0) == 0; }},
};

class Lockdown : public testing::TestWithParam<Forbidden> {};

TEST_P(Lockdown, KillsWhoeverTries) {
  int status = status_of_locked_down(GetParam().attempt);
  ASSERT_TRUE(WIFSIGNALED(status)) << "exit status " << WEXITSTATUS(status);
  EXPECT_EQ(WTERMSIG(status), SIGSYS);
}
INSTANTIATE_TEST_SUITE_P(SystemCalls, Lockdown, testing::ValuesIn(kForbidden), [](const auto& test) {
  std::string name = test.param.name;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
});

TEST(Lockdown, LeavesWhatServingNeeds) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
  int status = status_of_locked_down([&] {
    char byte = 'x';
    iovec part{&byte, 1};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    pollfd ready{fds[1], POLLIN, 0};
    timespec now{};
    base::Bytes much(64 << 20);
    much.resize(96 << 20);
    for (size_t i = 0; i < much.size(); i += 4096) much[i] = 1;
    base::log(base::Level::Error, "still able to write the log (this line is expected)");
    return sendmsg(fds[0], &message, MSG_NOSIGNAL) == 1 && poll(&ready, 1, 1000) == 1 &&
           recvmsg(fds[1], &message, 0) == 1 && syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now) == 0 &&
           syscall(SYS_getrandom, &byte, 1, 0) == 1 && close(fds[0]) == 0;
  });
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), kDidIt);
  close(fds[0]);
  close(fds[1]);
}

TEST(Lockdown, AllowsTheNotifyIoctlOnXenOnly) {
  auto notify = [] { return syscall(SYS_ioctl, -1, 0x44504, nullptr) < 0 && errno == EBADF; };
  int on_xen = status_of_locked_down(notify, Where::Xen);
  ASSERT_TRUE(WIFEXITED(on_xen));
  EXPECT_EQ(WEXITSTATUS(on_xen), kDidIt);
  EXPECT_TRUE(WIFSIGNALED(status_of_locked_down(notify, Where::Loopback)));
}

// What the kernel says of a child that has locked itself down.
std::map<std::string, std::string> proc_status_of_locked_down() {
  int go[2], done[2];
  EXPECT_EQ(pipe(go), 0);
  EXPECT_EQ(pipe(done), 0);
  pid_t child = fork();
  if (child == 0) {
    base::log_level(base::Level::Error);
    bool locked = backend::lock_down({kUid, kUid, Where::Loopback}).ok();
    char byte = locked ? 'y' : 'n';
    if (write(done[1], &byte, 1) == 1 && read(go[0], &byte, 1) == 1) syscall(SYS_exit_group, 0);
    syscall(SYS_exit_group, 1);
  }
  char byte = 0;
  EXPECT_EQ(read(done[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  std::map<std::string, std::string> status;
  std::ifstream file("/proc/" + std::to_string(child) + "/status");
  for (std::string line; std::getline(file, line);) {
    size_t colon = line.find(':');
    if (colon != std::string::npos && colon + 2 <= line.size()) status[line.substr(0, colon)] = line.substr(colon + 2);
  }
  std::ifstream limits("/proc/" + std::to_string(child) + "/limits");
  for (std::string line; std::getline(limits, line);) status["limit " + line.substr(0, 25)] = line.substr(26, 20);
  EXPECT_EQ(write(go[1], &byte, 1), 1);
  waitpid(child, nullptr, 0);
  for (int fd : {go[0], go[1], done[0], done[1]}) close(fd);
  return status;
}

TEST(Lockdown, LeavesNoPrivilege) {
  auto status = proc_status_of_locked_down();
  EXPECT_EQ(status["NoNewPrivs"], "1");
  EXPECT_EQ(status["Seccomp"], "2");
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) EXPECT_EQ(status[set], "0000000000000000") << set;
  EXPECT_EQ(status["limit Max processes            "].substr(0, 1), "0");
  EXPECT_EQ(status["limit Max core file size       "].substr(0, 1), "0");
}

TEST(Lockdown, BecomesAUserOfItsOwn) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  auto status = proc_status_of_locked_down();
  std::string id = std::to_string(kUid);
  std::string four = id + "\t" + id + "\t" + id + "\t" + id;
  EXPECT_EQ(status["Uid"], four);
  EXPECT_EQ(status["Gid"], four);
  EXPECT_EQ(status["Groups"], " ");
  EXPECT_EQ(status["CapBnd"], "0000000000000000");
}

TEST(Lockdown, WorksWithoutRoot) {
  pid_t child = fork();
  if (child == 0) {
    base::log_level(base::Level::Error);
    if (geteuid() == 0 && setresuid(12345, 12345, 12345) != 0) _exit(1);
    if (!backend::lock_down({kUid, kUid, Where::Loopback}).ok()) _exit(kNotLockedDown);
    syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
    syscall(SYS_exit_group, 2);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status)) << "exit status " << WEXITSTATUS(status);
  EXPECT_EQ(WTERMSIG(status), SIGSYS);
}

}  // namespace
