// SPDX-License-Identifier: MIT
// EventChannel: one bound event channel and the handle it lives in.
#pragma once

extern "C" {
#include <xenevtchn.h>
}

#include "lib/xen/handle.h"

namespace xen {

class EventChannel {
 public:
  // The back half: joins the channel that `domain` allocated as `remote`.
  static Result<EventChannel> bind(DomId domain, Port remote);
  // The front half: allocates a channel that only `domain` can join.
  static Result<EventChannel> bind_unbound(DomId domain);

  // From now on the handle can be used for channels with `domain` only.
  Result<> restrict_to(DomId domain);

  // Readable when the other half has notified; then acknowledge() before looking at what it wrote.
  int fd() const { return xenevtchn_fd(handle_.get()); }
  Port port() const { return port_; }
  Result<> notify() const;
  // Takes one notification and lets the next come. Sleeps when there is none.
  Result<> acknowledge() const;

 private:
  using Device = Handle<xenevtchn_handle, xenevtchn_close>;
  EventChannel(Device handle, Port port) : handle_(std::move(handle)), port_(port) {}

  Device handle_;
  Port port_;
};

}  // namespace xen
