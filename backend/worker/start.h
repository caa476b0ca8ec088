// SPDX-License-Identifier: MIT
// From the manager's Start to a worker that can serve: the ring joined, the TPM as it was, privileges given up.
#pragma once

#include <memory>

#include "backend/ring/page.h"
#include "backend/worker/host.h"
#include "engine/engine.h"
#include "lib/xen/event_channel.h"
#include "lib/xen/grant.h"

namespace backend {

// The guest's page and the event channel beside it.
class GuestRing : public Doorbell {
 public:
  // Maps, binds, restricts the channel to the guest, and closes the grant device. Extra pages that nobody has read yet
  // are read from the page.
  static base::Result<std::unique_ptr<GuestRing>, message::Failure> join(const message::Start& start);

  void ring() override;
  TpmPage& page() { return page_; }
  const xen::EventChannel& channel() const { return channel_; }
  const message::ExtraPages& extra_pages() const { return extra_pages_; }

 private:
  GuestRing(xen::GrantMapping mapping, xen::EventChannel channel, message::ExtraPages extra, uint8_t localities);

  xen::GrantMapping mapping_;
  xen::EventChannel channel_;
  message::ExtraPages extra_pages_;
  TpmPage page_;
};

// A TPM and all that serves it.
struct LiveTpm {
  message::StartKind start;
  std::unique_ptr<GuestRing> ring;  // null: there is no guest
  std::unique_ptr<Host> host;
  std::unique_ptr<tpm::Engine> engine;
};

// The descriptors a worker is born with.
struct Inheritance {
  vault::Fd manager, listening, journal;
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
