// SPDX-License-Identifier: MIT
#include "frontend/keeper.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace frontend {

namespace {

// Room for one descriptor.
struct Envelope {
  Envelope() {
    header.msg_iov = &byte;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
  }
  char nothing = 0;
  iovec byte{&nothing, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header{};
};

// Whether one came. What came stays open.
bool take_one(int channel) {
  Envelope envelope;
  ssize_t n = recvmsg(channel, &envelope.header, 0);
  while (n < 0 && errno == EINTR) n = recvmsg(channel, &envelope.header, 0);
  return n == 1;
}

[[noreturn]] void hold_for_ever() {
  while (true) pause();
}

[[noreturn]] void keep_what_comes(int channel) {
  prctl(PR_SET_NAME, "vtpm-keeper");
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, nullptr);
  // Whoever reads what the program prints does not wait for this process; and no file system is kept from being
  // unmounted.
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd <= STDERR_FILENO; fd++) dup2(nothing, fd);
  if (chdir("/") != 0) _exit(1);
  bool holds = false;
  while (take_one(channel)) holds = true;
  if (holds) hold_for_ever();
  _exit(0);
}

}  // namespace

xen::Result<Keeper> Keeper::start() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return xen::failed("make a socket");
  Fd ours(ends[0]), its(ends[1]);
  pid_t child = fork();
  if (child < 0) return xen::failed("start the keeper");
  if (child == 0) {
    ours = Fd();
    keep_what_comes(its.get());
  }
  return Keeper(std::move(ours));
}

xen::Result<> Keeper::keep(int descriptor) {
  const uint8_t nothing = 0;
  if (base::send_with(channel_.get(), {&nothing, 1}, descriptor, MSG_NOSIGNAL) != 1)
    return xen::failed("hand over an event channel");
  return {};
}

}  // namespace frontend
