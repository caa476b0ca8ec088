// SPDX-License-Identifier: MIT
// ManualBackend: the back half of one device, moved by hand in place of the manager. It does what no honest one would.
#pragma once

#include <memory>
#include <thread>

#include "lib/xen/event_channel.h"
#include "lib/xen/grant.h"
#include "tests/engine/tpm_client.h"
#include "tests/system/stack.h"

namespace system_test {

class ManualBackend {
 public:
  // A new domain with one device that is shown as InitWait.
  ManualBackend();
  ~ManualBackend();

  unsigned domain() const { return domain_; }
  // Shows that state. The one before is nothing to it.
  void show(const std::string& state) const { set_node(back_path(domain_) + "/state", state); }
  // Waits for state Initialised, joins the ring, and shows Connected.
  bool join();
  // Lets go of the page and of the port.
  void leave();

  // The next command on the page, left there; nothing when none comes.
  std::optional<client::Bytes> take(int timeout_ms = 10'000) const;
  void answer(const client::Bytes& response) const;
  // Takes and answers.
  bool serve(const client::Bytes& response) const;

  // The page's header, field by field, and the rest; then notify() or not.
  base::ForeignBytes page() const { return mapping_->bytes(); }
  void set_length(uint32_t length) const { static_cast<void>(page().store<uint32_t>(0, length)); }
  void set_state(uint8_t state) const { static_cast<void>(page().store<uint8_t>(4, state)); }
  uint8_t state() const { return page().load<uint8_t>(4).value_or(255); }
  void notify() const { static_cast<void>(channel_->notify()); }

 private:
  unsigned domain_ = 0;
  std::optional<xen::GrantMapping> mapping_;
  std::optional<xen::EventChannel> channel_;
};

}  // namespace system_test
