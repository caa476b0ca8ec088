// SPDX-License-Identifier: MIT
// Version 1 of the ring as the kit sees it: the slot, and as a frontend the packets that it names.
#pragma once

#include <optional>

#include "tests/ringtest/back.h"
#include "tests/ringtest/front.h"

namespace ringtest {

// As domains of 64 bits have it, in the order in which it lies there.
struct Slot {
  uint64_t address = kPage;
  uint32_t ref = 0;
  uint16_t unused = 0;
  uint16_t size = 0;
  uint16_t offset() const { return static_cast<uint16_t>(address % kPage); }
};
std::string text_of(const Slot& slot);
Slot slot_on(const Page& page);
// The size last.
void put(const Page& page, const Slot& slot);

// ---- The kit as frontend ----

// A page with one packet in it, granted for as long as this lives.
class Packet {
 public:
  static Outcome<Packet> grant(Front& f, const Bytes& bytes, uint16_t offset = 0);
  // The same for a domain that is not the backend's.
  static Outcome<Packet> grant_to(xen::DomId domain, const Bytes& bytes);

  Slot slot() const { return {kPage + offset_, static_cast<uint32_t>(share_.ref()), 0, size_}; }
  Page page() const { return Page(share_.bytes()); }
  Bytes bytes(size_t n) const { return page().bytes(offset_, n); }

 private:
  Packet(xen::GrantShare share, uint16_t offset, uint16_t size)
      : share_(std::move(share)), offset_(offset), size_(size) {}
  xen::GrantShare share_;
  uint16_t offset_, size_;
};

// A page that the backend may only read.
class ReadOnlyPage {
 public:
  static Outcome<ReadOnlyPage> grant(xen::DomId domain, const Bytes& bytes);
  ReadOnlyPage(ReadOnlyPage&& from) noexcept
      : device_(std::move(from.device_)), at_(std::exchange(from.at_, nullptr)), ref_(from.ref_) {}
  ReadOnlyPage& operator=(ReadOnlyPage&&) = delete;
  ~ReadOnlyPage();
  uint32_t ref() const { return ref_; }

 private:
  using Device = xen::Handle<xengntshr_handle, xengntshr_close>;
  ReadOnlyPage(Device device, void* at, uint32_t ref) : device_(std::move(device)), at_(at), ref_(ref) {}
  Device device_;
  void* at_;
  uint32_t ref_;
};

// Puts the slot there, and notifies.
void submit(Front& f, const Slot& slot);
// The size that stands in the slot when the backend has rung.
Outcome<uint16_t> told_size(Front& f);
// A well-formed response of that size, where the packet was.
Outcome<Bytes> response_in(Front& f, const Packet& packet);
// One command in a page of its own, and its response.
Outcome<Bytes> run_legacy(Front& f, const Bytes& command);
// A command is answered with success; its answer is the PCR that extend() would change.
Outcome<Bytes> legacy_pcr(Front& f);
// The device connects anew by version 1, and works.
Outcome<> recovers_legacy(Front& f);

// ---- The kit as backend ----

// A request of the frontend's: its slot, and its packet, mapped.
struct LegacyRequest {
  Slot slot;
  Page page;
  Bytes command() const { return page.bytes(slot.offset(), slot.size); }
};
// Has the frontend send a command, and waits for it. Skipped when it sends nothing by itself.
Outcome<LegacyRequest> ask_legacy(Back& b, const Bytes& command);
// What is written there is the packet, its size and the notification.
void answer_legacy(Back& b, const LegacyRequest& request, const Bytes& packet, uint16_t size);
// The TPM's answer reaches the client.
Outcome<> works_legacy(Back& b);
// works_legacy(), on this ring or on the next.
Outcome<> recovers_legacy(Back& b);

}  // namespace ringtest
