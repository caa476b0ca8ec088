// SPDX-License-Identifier: MIT
// From the manager's Start to a worker that can serve: the ring joined, the TPM as it was, privileges given up.
#pragma once

#include <memory>
#include <optional>

#include "backend/ring/legacy.h"
#include "backend/worker/alarm.h"
#include "backend/worker/host.h"
#include "engine/engine.h"
#include "lib/xen/event_channel.h"
#include "lib/xen/grant.h"

namespace backend {

// A guest's ring: its page, the event channel beside it, and for version 1 what fetches and delivers.
class Guest : public Doorbell {
 public:
  // Maps, binds, restricts the channel to the guest, and closes the grant device. Extra pages that nobody has read yet
  // are read from the page.
  static base::Result<std::unique_ptr<Guest>, message::Failure> join(const message::Start& start,
                                                                     std::unique_ptr<Transfers> transfers);

  void ring() override;
  Ring& back_half() { return *ring_; }
  const xen::EventChannel& channel() const { return channel_; }
  const message::ExtraPages& extra_pages() const { return extra_pages_; }

 private:
  Guest(xen::GrantMapping mapping, xen::EventChannel channel, message::ExtraPages extra,
        std::unique_ptr<Transfers> transfers, uint8_t localities);

  xen::GrantMapping mapping_;
  xen::EventChannel channel_;
  message::ExtraPages extra_pages_;
  std::unique_ptr<Transfers> transfers_;  // null: version 2
  std::unique_ptr<Ring> ring_;
};

// A TPM and all that serves it.
struct LiveTpm {
  message::StartKind start;
  std::unique_ptr<Guest> guest;  // null: there is none
  std::unique_ptr<Host> host;
  std::unique_ptr<tpm::Engine> engine;
  std::optional<Alarm> alarm;       // beside a guest
  std::optional<WatchSet> watched;  // the same: the guest, the manager, the alarm
};

// The descriptors a worker is born with.
struct Inheritance {
  vault::Fd manager, listening, journal;
  vault::Fd grantd, transfers;  // version 1
};

struct Options {
  // The worker's user is this number and its domain's; by default in a range that no convention gives to anybody.
  uid_t uid_base = 1'900'000'000;
  // How long a guest waits for a manager that is restarting before its command fails.
  std::chrono::seconds commit_patience{30};
};

// Every failure has been told to the manager and logged; then there is nothing to do but end.
std::unique_ptr<LiveTpm> start_worker(Inheritance inheritance, const Options& options);

}  // namespace backend
