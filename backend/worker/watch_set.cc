// SPDX-License-Identifier: MIT
#include "backend/worker/watch_set.h"

#include <sys/epoll.h>

#include <algorithm>

namespace backend {

xen::Result<WatchSet> WatchSet::create() {
  base::Fd fd(epoll_create1(EPOLL_CLOEXEC));
  if (!fd) return xen::failed("make a set of descriptors");
  return WatchSet(std::move(fd));
}

xen::Result<> WatchSet::add(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd, &event) < 0) return xen::failed("watch a descriptor");
  return {};
}

void WatchSet::remove(int fd) { epoll_ctl(fd_.get(), EPOLL_CTL_DEL, fd, nullptr); }

bool WatchSet::Ready::has(int fd) const {
  return std::find(fds_.begin(), fds_.begin() + n_, fd) != fds_.begin() + n_;
}

WatchSet::Ready WatchSet::wait(int timeout_ms) const {
  std::array<epoll_event, Ready::kMost> events;  // written by the kernel, as far as it is read
  Ready ready;
  int n = epoll_wait(fd_.get(), events.data(), Ready::kMost, timeout_ms);
  for (int i = 0; i < n; i++) ready.fds_[ready.n_++] = events[static_cast<size_t>(i)].data.fd;
  return ready;
}

}  // namespace backend
