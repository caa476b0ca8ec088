// SPDX-License-Identifier: MIT
// Shim: a vTPM device of this domain, negotiated over XenStore as Linux's xen-tpmfront does it.
#pragma once

#include <chrono>
#include <memory>

#include "frontend/ring.h"
#include "lib/xen/store.h"
#include "xenstore-schema/values.h"

namespace frontend {

class Shim {
 public:
  // The device of that number. Nothing is negotiated yet; ENOENT when the domain has no such device.
  static xen::Result<std::unique_ptr<Shim>> open(unsigned device);
  ~Shim();

  // While this descriptor is readable, connect() and transact() wait for nothing (EINTR); close() does.
  void interrupt_by(int fd) { interrupt_ = fd; }
  // Offers a new ring and waits for the backend to join it; whatever was before is closed first. ETIMEDOUT when it
  // does not, ECONNREFUSED when it closes the device or does not speak version 2.
  xen::Result<> connect(std::chrono::milliseconds most);
  bool connected() const { return ring_ != nullptr; }

  // ENOTCONN before connect(), or when the backend has closed meanwhile: connect() may help. Otherwise as
  // Ring::transact().
  xen::Result<base::Bytes> transact(base::View command, uint8_t locality, std::chrono::milliseconds patience);
  // Asks for an early end of the command in flight. ENOTCONN as above.
  xen::Result<> cancel();

  // Readable when the backend may have closed; then look().
  int fd() const { return store_->fd(); }
  // Takes what XenStore has told. Closes our half when the backend has closed its own.
  xen::Result<> look();
  // Tells the backend, waits until it has let go of the page, and takes the page back.
  void close();

 private:
  // The states of xenbus.
  enum class State : uint8_t {
    Unknown = 0,
    Initialising = 1,
    InitWait = 2,
    Initialised = 3,
    Connected = 4,
    Closing = 5,
    Closed = 6,
  };
  Shim(std::unique_ptr<xen::Store> store, xen::Path front, xen::Path back, xen::DomId backend, xen::Watch watch);

  xen::Result<> offer();
  xen::Result<State> state_of(const schema::Node<schema::Xenbus>& node) const;
  xen::Result<> show(State state) const;
  template <class F>
  xen::Result<State> wait_for(F wanted, std::chrono::milliseconds most, int interrupt = -1);
  xen::Result<bool> swallow_events() const;

  std::unique_ptr<xen::Store> store_;  // stays where the watch knows it
  xen::Path front_, back_;
  xen::DomId backend_;
  xen::Watch watch_;
  std::unique_ptr<Ring> ring_;
  int interrupt_ = -1;
};

}  // namespace frontend
