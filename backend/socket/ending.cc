// SPDX-License-Identifier: MIT
#include "backend/socket/ending.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <cerrno>

#include "lib/base/verify.h"

namespace socketd {

Ending::Ending() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  VERIFY(::sigprocmask(SIG_BLOCK, &signals, nullptr) == 0);
  signals_.reset(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  VERIFY(signals_.get() >= 0);
}

bool Ending::wait(int fd, short events, int timeout_ms) const {
  // poll() passes over a descriptor of -1. What has come stays unread, so that every later wait ends too.
  pollfd both[] = {{.fd = signals_.get(), .events = POLLIN, .revents = 0}, {.fd = fd, .events = events, .revents = 0}};
  while (::poll(both, 2, timeout_ms) < 0) VERIFY(errno == EINTR);
  return both[0].revents != 0;
}

}  // namespace socketd
