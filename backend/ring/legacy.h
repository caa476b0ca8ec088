// SPDX-License-Identifier: MIT
// LegacyRing: the back half of version 1: one slot that names a page, granted for one command. What each bad request
// leads to is in Documentation/protocol.md.
#pragma once

#include "backend/ring/ring.h"
#include "lib/xen/handle.h"

namespace backend {

// How the bytes of a granted page come here and go there.
class Transfers {
 public:
  enum class Moved { Done, NotGranted, Broken };
  virtual ~Transfers() = default;
  virtual Moved fetch(xen::GrantRef ref, uint16_t offset, uint16_t n) = 0;
  virtual Moved deliver(xen::GrantRef ref, uint16_t offset, uint16_t n) = 0;
  // What was fetched last, and what is delivered next; of one page each.
  virtual base::ForeignBytes incoming() const = 0;
  virtual base::ForeignBytes outgoing() const = 0;
};

class LegacyRing : public Ring {
 public:
  // All must outlive this.
  LegacyRing(base::ForeignBytes page, Transfers& transfers, Doorbell& doorbell);

  // Loads the slot, once, and fetches what it names.
  base::Result<Request, Refusal> take() override;
  // Only what can be nothing but a request: no answer is given otherwise, since every notification is taken for one.
  base::Result<Request, Refusal> take_untold() override;
  base::ForeignBytes response_area() const override;
  void finish(size_t length) override;
  // Version 1 has no cancelling.
  bool cancel_asked() const override { return false; }
  bool stands() const override { return !broken_; }

  void answer_unread(uint32_t return_code) override;
  void answer_if_waiting(uint32_t return_code) override;
  // The slot is the frontend's.
  void leave_idle() override {}

 private:
  struct Slot {
    xen::GrantRef ref{};
    uint16_t offset = 0;  // of the packet in its page
    uint16_t size = 0;
  };
  enum class Packet { Request, Response, Malformed };
  Slot load_slot() const;
  // Whether there is room for an error there.
  static bool holds_error(const Slot& slot);
  // Whether there is a command there, and room for every response to it.
  static bool well_placed(const Slot& slot);
  Transfers::Moved fetch();
  Packet packet() const;
  uint32_t size_in_packet() const;
  Refusal refuse(Refusal why);
  void answer(uint32_t return_code);
  void answer_nothing();
  void tell_size(uint16_t size);

  base::ForeignBytes page_;
  Transfers& transfers_;
  Doorbell& doorbell_;
  Slot slot_;  // of the request in flight
  bool broken_ = false;
};

}  // namespace backend
