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

bool Ending::asked() const {
  // What has come stays unread, so that it is seen for ever.
  pollfd signals{.fd = signals_.get(), .events = POLLIN, .revents = 0};
  while (::poll(&signals, 1, 0) < 0) VERIFY(errno == EINTR);
  return signals.revents != 0;
}

}  // namespace socketd
