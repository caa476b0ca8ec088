// SPDX-License-Identifier: MIT
#include "lib/xen/event_channel.h"

namespace xen {

Result<EventChannel> EventChannel::bind(DomId domain, Port remote) {
  Device handle(xenevtchn_open(nullptr, 0));
  if (handle == nullptr) return failed("open event channel device");
  int port =
      xenevtchn_bind_interdomain(handle.get(), static_cast<uint32_t>(domain), static_cast<evtchn_port_t>(remote));
  if (port < 0) return failed("bind event channel");
  return EventChannel(std::move(handle), Port{static_cast<uint32_t>(port)});
}

Result<EventChannel> EventChannel::bind_unbound(DomId domain) {
  Device handle(xenevtchn_open(nullptr, 0));
  if (handle == nullptr) return failed("open event channel device");
  int port = xenevtchn_bind_unbound_port(handle.get(), static_cast<uint32_t>(domain));
  if (port < 0) return failed("allocate event channel");
  return EventChannel(std::move(handle), Port{static_cast<uint32_t>(port)});
}

Result<> EventChannel::restrict_to(DomId domain) {
  if (xenevtchn_restrict(handle_.get(), static_cast<domid_t>(domain)) < 0) return failed("restrict event channel");
  return {};
}

Result<> EventChannel::notify() const {
  if (xenevtchn_notify(handle_.get(), static_cast<evtchn_port_t>(port_)) < 0) return failed("notify event channel");
  return {};
}

Result<> EventChannel::acknowledge() const {
  int port = xenevtchn_pending(handle_.get());
  if (port < 0) return failed("take event");
  if (xenevtchn_unmask(handle_.get(), static_cast<evtchn_port_t>(port)) < 0) return failed("unmask event channel");
  return {};
}

}  // namespace xen
