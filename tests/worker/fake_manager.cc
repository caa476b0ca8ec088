// SPDX-License-Identifier: MIT
#include "tests/worker/fake_manager.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <thread>

namespace worker_test {

namespace {

std::filesystem::path build_directory() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path().parent_path();
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}
const sockaddr* generic(const sockaddr_un& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

int new_journal() {
  int fd = memfd_create("journal", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  EXPECT_EQ(ftruncate(fd, message::kJournalBytes), 0);
  EXPECT_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
  return fd;
}

int listen_at(const std::string& path) {
  unlink(path.c_str());
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  sockaddr_un address = address_of(path);
  EXPECT_EQ(bind(fd, generic(address), sizeof(address)), 0);
  EXPECT_EQ(listen(fd, 4), 0);
  return fd;
}

[[noreturn]] void become_worker(const int (&given)[3], const char* program, const char* preload,
                                const char* commit_patience) {
  constexpr int kAbove = 100;
  int high[3];
  for (int i = 0; i < 3; i++) high[i] = fcntl(given[i], F_DUPFD, kAbove);
  for (int i = 0; i < 3; i++) dup2(high[i], message::kManagerFd + i);
  close_range(message::kJournalFd + 1, ~0U, 0);
  if (preload != nullptr) setenv("LD_PRELOAD", preload, 1);
  execl(program, "vtpmd", "--commit-patience", commit_patience, nullptr);
  _exit(127);
}

}  // namespace

WorkerProcess::WorkerProcess(std::string socket_path, const char* commit_patience)
    : journal(new_journal()), socket_path_(std::move(socket_path)) {
  int pair[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
  manager_ = Descriptor(pair[0]);
  Descriptor theirs(pair[1]), listening(listen_at(socket_path_));
  std::string program = build_directory() / "bin/vtpmd";
  std::string preload = build_directory() / "lib/libxen-loopback.so";
  bool preloaded = std::filesystem::exists(preload);  // builds with a sanitizer link it
  const int given[3] = {theirs.get(), listening.get(), journal.get()};
  pid_ = fork();
  if (pid_ == 0) become_worker(given, program.c_str(), preloaded ? preload.c_str() : nullptr, commit_patience);
}

WorkerProcess::~WorkerProcess() {
  if (pid_ < 0) return;
  kill();
  wait_end();
}

void WorkerProcess::send_bytes(base::View datagram, int descriptor) {
  iovec part{const_cast<uint8_t*>(datagram.data()), datagram.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (descriptor >= 0) {
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &descriptor, sizeof(int));
  }
  EXPECT_EQ(sendmsg(manager_.get(), &header, MSG_NOSIGNAL), static_cast<ssize_t>(datagram.size()));
}

std::optional<base::Bytes> WorkerProcess::receive(std::chrono::milliseconds most) {
  for (;;) {
    auto datagram = receive_any(most);
    if (!datagram) return datagram;
    message::Kind kind = message::kind_of(*datagram);
    if (kind == message::Kind::Endorsement && !sees_endorsements) {
      auto told = message::decode<message::Endorsement>(*datagram);
      EXPECT_TRUE(told.ok());
      if (told.ok() && told.value().wants_certificate) send(message::Certificate{});
    } else if (kind != message::Kind::Statistics || sees_statistics) {
      return datagram;
    }
  }
}

std::optional<base::Bytes> WorkerProcess::receive_any(std::chrono::milliseconds most) {
  pollfd set{manager_.get(), POLLIN, 0};
  if (poll(&set, 1, static_cast<int>(most.count())) != 1) return std::nullopt;
  base::Bytes bytes(message::kMaxMessage);
  iovec part{bytes.data(), bytes.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  header.msg_control = control;
  header.msg_controllen = sizeof(control);
  ssize_t n = recvmsg(manager_.get(), &header, MSG_CMSG_CLOEXEC);
  received_descriptor_ = Descriptor();
  if (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr && c->cmsg_type == SCM_RIGHTS) {
    int fd = -1;
    memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    received_descriptor_ = Descriptor(fd);
  }
  if (n <= 0) return std::nullopt;
  bytes.resize(static_cast<size_t>(n));
  return bytes;
}

bool WorkerProcess::connect() {
  manager_ = Descriptor(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address = address_of(socket_path_);
  return ::connect(manager_.get(), generic(address), sizeof(address)) == 0;
}

void WorkerProcess::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

std::optional<int> WorkerProcess::wait_end(std::chrono::milliseconds most) {
  auto end = std::chrono::steady_clock::now() + most;
  int status = 0;
  while (waitpid(pid_, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > end) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  pid_ = -1;
  return status;
}

}  // namespace worker_test
