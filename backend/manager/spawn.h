// SPDX-License-Identifier: MIT
// Spawner: makes workers, and finds those that an earlier manager made.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/manager/channel.h"
#include "lib/xen/handle.h"

namespace backend {

// Which device a worker serves.
struct DeviceId {
  xen::DomId domain{};
  uint16_t number = 0;
  auto operator<=>(const DeviceId&) const = default;
};
// "3/0"
std::string text_of(DeviceId id);

// How a process ended, as text_of() says it: "with status 1", "by signal 9", or nothing when somebody else has reaped
// it.
struct Ended {
  bool known = false;
  bool exited = false;  // of itself, with `status`; otherwise by that signal
  int status = 0;
  bool well() const { return known && exited && status == 0; }
};
std::string text_of(const Ended& ended);
// Once, and only when its descriptor is readable.
Ended reap(const vault::Fd& pidfd);

struct Started {
  pid_t pid = 0;
  vault::Fd pidfd;  // readable when it has ended
};

// A worker seen from outside. Dropping it leaves the process alone.
struct Process {
  pid_t pid = 0;
  vault::Fd pidfd;  // readable when it has ended
  Channel channel;
  vault::Fd journal;              // the volatile state, held so that it outlives the worker
  std::optional<Started> grantd;  // what copies for one whose guest is on version 1 of the ring
  void kill() const;
};

class Spawner {
 public:
  // `runtime` is a directory of root alone; `programs` is the one of vtpmd and its helpers.
  Spawner(std::string runtime, const std::string& programs)
      : runtime_(std::move(runtime)),
        program_(programs + "/vtpmd"),
        measurer_(programs + "/vtpm-measure"),
        grantd_(programs + "/vtpm-grantd"),
        converter_(programs + "/vtpm-convert") {}

  // The worker's descriptors are 3 (channel), 4 (socket for a later manager), 5 (journal) and standard error.
  xen::Result<Process> spawn(DeviceId id) const { return spawn_at(socket_of(id), {}); }
  // The same with a vtpm-grantd, which knows the device's domain and no other: 6 is the connection to it, 7 the memory
  // that both share. It ends when the worker does.
  xen::Result<Process> spawn_with_grantd(DeviceId id) const;
  // For one that serves no device; nobody adopts it.
  xen::Result<Process> spawn_maker(uint64_t serial) const { return spawn_at(maker_socket(serial), {}); }
  void clean_up_maker(uint64_t serial) const;
  // One that hashes files; it has a channel and nothing else.
  xen::Result<Process> spawn_measurer() const;
  // One that converts the state in `question`, which it has beside a channel.
  xen::Result<Process> spawn_converter(int question) const;

  // The devices that have a socket of a worker, living or not.
  std::vector<DeviceId> left_over() const;
  // A connection to a living worker, which passes the credentials of whoever sends. ECONNREFUSED: it is dead.
  xen::Result<Channel> connect(DeviceId id) const;
  // After its worker has ended.
  void clean_up(DeviceId id) const;

 private:
  std::string socket_of(DeviceId id) const;
  std::string maker_socket(uint64_t serial) const { return runtime_ + "/" + std::to_string(serial) + ".maker"; }
  xen::Result<Process> spawn_at(const std::string& path, std::span<const int> more) const;

  std::string runtime_;
  std::string program_, measurer_, grantd_, converter_;
};

// A descriptor that tells the end of the process; only meaningful while it is known not to have ended.
xen::Result<vault::Fd> watch_process(pid_t pid);
// Whether a descriptor is a journal: a memfd of the right size that nobody can resize.
bool is_journal(int fd);

}  // namespace backend
