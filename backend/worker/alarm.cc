// SPDX-License-Identifier: MIT
#include "backend/worker/alarm.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include "lib/base/verify.h"

namespace backend {

xen::Result<Alarm> Alarm::create() {
  base::Fd fd(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!fd) return xen::failed("make a timer");
  return Alarm(std::move(fd));
}

void Alarm::set(std::chrono::milliseconds after) {
  auto seconds = std::chrono::floor<std::chrono::seconds>(after);
  itimerspec when{};
  when.it_value.tv_sec = seconds.count();
  when.it_value.tv_nsec = std::chrono::nanoseconds(after - seconds).count();
  VERIFY(timerfd_settime(fd_.get(), 0, &when, nullptr) == 0);
}

void Alarm::take() {
  uint64_t times = 0;
  [[maybe_unused]] ssize_t n = read(fd_.get(), &times, sizeof(times));
}

}  // namespace backend
