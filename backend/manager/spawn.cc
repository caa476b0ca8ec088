// SPDX-License-Identifier: MIT
#include "backend/manager/spawn.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>

#include "backend/grantd/descriptors.h"
#include "backend/ring/transfer.h"
#include "lib/xen/store.h"

namespace backend {

using xen::failed;

namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

// Memory for several processes, which none of them can resize.
xen::Result<vault::Fd> make_memory(const char* name, size_t bytes) {
  vault::Fd memory(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory || ::ftruncate(memory.get(), static_cast<off_t>(bytes)) != 0 ||
      ::fcntl(memory.get(), F_ADD_SEALS, kSeals) != 0) {
    return failed("make memory to share");
  }
  return memory;
}

struct Pair {
  vault::Fd ours, theirs;
};
xen::Result<Pair> make_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) return failed("make a socket pair");
  return Pair{vault::Fd(ends[0]), vault::Fd(ends[1])};
}

xen::Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return xen::SysError{ENAMETOOLONG, "name a worker's socket"};
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}
// The C interface to every kind of socket takes this one type.
const sockaddr* generic(const sockaddr_un& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

struct Child {
  std::span<const int> given;  // become 3 and those that follow
  const char* program;
  const char* name;
  std::array<const char*, 2> options = {};  // none: the first is null
};

// Between fork and exec only what is safe there: a library may have made threads.
[[noreturn]] void become(const Child& child) {
  constexpr int kAbove = 16;
  std::array<int, 5> high{};
  const auto n = static_cast<int>(child.given.size());
  for (size_t i = 0; i < child.given.size(); i++) high[i] = ::fcntl(child.given[i], F_DUPFD, kAbove);
  int null = ::open("/dev/null", O_RDWR);
  bool placed = ::dup2(null, 0) == 0 && ::dup2(null, 1) == 1;
  for (int i = 0; i < n; i++) {
    placed = placed && ::dup2(high[static_cast<size_t>(i)], message::kManagerFd + i) == message::kManagerFd + i;
  }
  if (!placed || ::syscall(SYS_close_range, message::kManagerFd + n, ~0U, 0) != 0) ::_exit(126);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::setsid();
  std::array<char*, 4> arguments = {const_cast<char*>(child.name), const_cast<char*>(child.options[0]),
                                    const_cast<char*>(child.options[1]), nullptr};
  ::execv(child.program, arguments.data());
  ::_exit(127);
}

}  // namespace

std::string text_of(DeviceId id) {
  return std::to_string(static_cast<unsigned>(id.domain)) + "/" + std::to_string(id.number);
}

void Process::kill() const { ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0); }

std::string text_of(const Ended& ended) {
  if (!ended.known) return {};
  return (ended.exited ? "with status " : "by signal ") + std::to_string(ended.status);
}

Ended reap(const vault::Fd& pidfd) {
  siginfo_t how{};
  if (::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &how, WEXITED | WNOHANG) != 0) return {};
  return {.known = true, .exited = how.si_code == CLD_EXITED, .status = how.si_status};
}

xen::Result<vault::Fd> watch_process(pid_t pid) {
  vault::Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd) return failed("watch a process");
  return fd;
}

bool is_journal(int fd) {
  struct stat about {};
  return ::fstat(fd, &about) == 0 && about.st_size == static_cast<off_t>(message::kJournalBytes) &&
         (::fcntl(fd, F_GET_SEALS) & kSeals) == kSeals;
}

std::string Spawner::socket_of(DeviceId id) const {
  return runtime_ + "/" + std::to_string(static_cast<unsigned>(id.domain)) + "-" + std::to_string(id.number) +
         ".worker";
}

namespace {

// One that nobody will hear of.
void end(pid_t pid) {
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) continue;
}

xen::Result<Started> start(const Child& child) {
  pid_t pid = ::fork();
  if (pid < 0) return failed("start a process");
  if (pid == 0) become(child);
  // Not reaped by anybody else, so that the number still means this process.
  auto pidfd = watch_process(pid);
  if (!pidfd.ok()) {
    end(pid);
    return pidfd.error();
  }
  return Started{pid, std::move(pidfd).take()};
}

xen::Result<vault::Fd> listen_at(const std::string& path) {
  sockaddr_un address = TRY(address_of(path));
  ::unlink(path.c_str());
  vault::Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket || ::bind(socket.get(), generic(address), sizeof(address)) != 0 || ::chmod(path.c_str(), 0600) != 0 ||
      ::listen(socket.get(), 4) != 0) {
    return failed("make a worker's socket");
  }
  return socket;
}

}  // namespace

xen::Result<Process> Spawner::spawn_at(const std::string& path, std::span<const int> more) const {
  auto [ours, theirs] = TRY(make_pair());
  make_room(ours.get());
  make_room(theirs.get());
  vault::Fd listening = TRY(listen_at(path));
  vault::Fd journal = TRY(make_memory("vtpm-journal", message::kJournalBytes));
  std::vector<int> given = {theirs.get(), listening.get(), journal.get()};
  given.insert(given.end(), more.begin(), more.end());
  auto [pid, pidfd] = TRY(start({given, program_.c_str(), "vtpmd"}));
  return Process{pid, std::move(pidfd), Channel(std::move(ours)), std::move(journal), {}};
}

xen::Result<Process> Spawner::spawn_with_grantd(DeviceId id) const {
  auto [ours, theirs] = TRY(make_pair());
  vault::Fd memory = TRY(make_memory("vtpm-transfers", transfer::kMemoryBytes));
  const std::array given = {theirs.get(), memory.get()};
  static_assert(grantd::kWorkerFd == message::kManagerFd && grantd::kMemoryFd == grantd::kWorkerFd + 1);
  std::string domain = std::to_string(static_cast<unsigned>(id.domain));
  Started grantd = TRY(start({given, grantd_.c_str(), "vtpm-grantd", {"--domain", domain.c_str()}}));
  const std::array more = {ours.get(), memory.get()};
  auto process = spawn_at(socket_of(id), more);
  if (!process.ok()) {
    end(grantd.pid);
    return process.error();
  }
  process.value().grantd = std::move(grantd);
  return process;
}

std::vector<DeviceId> Spawner::left_over() const {
  std::vector<DeviceId> found;
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(runtime_.c_str()), ::closedir);
  while (stream != nullptr) {
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) break;
    std::string_view name(static_cast<const char*>(entry->d_name));
    size_t dash = name.find('-');
    if (!name.ends_with(".worker") || dash == std::string_view::npos) continue;
    auto domain = xen::number_in<uint16_t>(name.substr(0, dash));
    auto number = xen::number_in<uint16_t>(name.substr(dash + 1, name.size() - dash - 1 - 7));
    if (!domain || !number) continue;
    found.push_back({xen::DomId{*domain->at_most(UINT16_MAX)}, *number->at_most(UINT16_MAX)});
  }
  return found;
}

xen::Result<Channel> Spawner::connect(DeviceId id) const {
  sockaddr_un address = TRY(address_of(socket_of(id)));
  vault::Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  int yes = 1;
  if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) != 0) {
    return failed("make a socket");
  }
  make_room(socket.get());
  if (::connect(socket.get(), generic(address), sizeof(address)) != 0) return failed("connect to a worker");
  return Channel(std::move(socket));
}

namespace {

// One that nobody adopts: a channel, and what else it is given.
xen::Result<Process> spawn_helper(const std::string& program, const char* name, int given) {
  auto [ours, theirs] = TRY(make_pair());
  const std::array all = {theirs.get(), given};
  auto [pid, pidfd] = TRY(start({std::span(all).first(given < 0 ? 1 : 2), program.c_str(), name}));
  return Process{pid, std::move(pidfd), Channel(std::move(ours)), {}, {}};
}

}  // namespace

xen::Result<Process> Spawner::spawn_measurer() const { return spawn_helper(measurer_, "vtpm-measure", -1); }
xen::Result<Process> Spawner::spawn_converter(int question) const {
  return spawn_helper(converter_, "vtpm-convert", question);
}

void Spawner::clean_up_maker(uint64_t serial) const { ::unlink(maker_socket(serial).c_str()); }
void Spawner::clean_up(DeviceId id) const { ::unlink(socket_of(id).c_str()); }

}  // namespace backend
