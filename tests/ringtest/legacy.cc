// SPDX-License-Identifier: MIT
#include "tests/ringtest/legacy.h"

namespace ringtest {

namespace {
constexpr size_t kReferenceAt = 8, kUnusedAt = 12, kSizeAt = 14, kSlotBytes = 16;

void append(Bytes& to, uint64_t word, size_t n) {
  for (size_t i = 0; i < n; i++) to.push_back(static_cast<uint8_t>(word >> 8 * i));
}
uint64_t word_in(const Bytes& bytes, size_t at, size_t n) {
  uint64_t word = 0;
  for (size_t i = n; i-- > 0;) word = word << 8 | bytes[at + i];
  return word;
}
}  // namespace

std::string text_of(const Slot& slot) {
  return "offset=" + std::to_string(slot.offset()) + " ref=" + std::to_string(slot.ref) +
         " size=" + std::to_string(slot.size);
}

Slot slot_on(const Page& page) {
  Bytes bytes = page.bytes(0, kSlotBytes);
  return {word_in(bytes, 0, 8), static_cast<uint32_t>(word_in(bytes, kReferenceAt, 4)),
          static_cast<uint16_t>(word_in(bytes, kUnusedAt, 2)), static_cast<uint16_t>(word_in(bytes, kSizeAt, 2))};
}

void put(const Page& page, const Slot& slot) {
  Bytes bytes;
  append(bytes, slot.address, 8);
  append(bytes, slot.ref, 4);
  append(bytes, slot.unused, 2);
  append(bytes, slot.size, 2);
  page.store_bytes(0, bytes);
}

// ---- The kit as frontend ----

Outcome<Packet> Packet::grant(Front& f, const Bytes& bytes, uint16_t offset) {
  xen::GrantShare share = TRY(xen::GrantShare::share(f.backend()));
  Page(share.bytes()).store_bytes(offset, bytes);
  return Packet(std::move(share), offset, static_cast<uint16_t>(bytes.size()));
}

Outcome<Packet> Packet::grant_to(xen::DomId domain, const Bytes& bytes) {
  xen::GrantShare share = TRY(xen::GrantShare::share(domain));
  Page(share.bytes()).store_bytes(0, bytes);
  return Packet(std::move(share), 0, static_cast<uint16_t>(bytes.size()));
}

Outcome<ReadOnlyPage> ReadOnlyPage::grant(xen::DomId domain, const Bytes& bytes) {
  Device device(xengntshr_open(nullptr, 0));
  uint32_t ref = 0;
  void* at = device ? xengntshr_share_pages(device.get(), static_cast<uint32_t>(domain), 1, &ref, 0) : nullptr;
  if (at == nullptr) return failed("a page cannot be shared");
  Page(base::ForeignBytes(std::span(static_cast<uint8_t*>(at), kPage))).store_bytes(0, bytes);
  return ReadOnlyPage(std::move(device), at, ref);
}

ReadOnlyPage::~ReadOnlyPage() {
  if (at_ != nullptr) static_cast<void>(xengntshr_unshare(device_.get(), at_, 1));
}

void submit(Front& f, const Slot& slot) {
  f.drain();
  f.trace.did("slot " + text_of(slot));
  put(f.page(), slot);
  f.notify();
}

Outcome<uint16_t> told_size(Front& f) {
  if (!f.bell(f.patience.answer)) return failed("no answer: " + text_of(slot_on(f.page())));
  f.trace.saw("slot " + text_of(slot_on(f.page())));
  return slot_on(f.page()).size;
}

Outcome<Bytes> response_in(Front& f, const Packet& packet) {
  uint16_t size = TRY(told_size(f));
  Bytes response = packet.bytes(std::min<size_t>(size, kPage - packet.slot().offset()));
  TRY(expect(size_in(response) == size,
             "the slot says " + std::to_string(size) + " and the page has " + client::hex(packet.bytes(10))));
  return response;
}

Outcome<Bytes> run_legacy(Front& f, const Bytes& command) {
  Packet packet = TRY(Packet::grant(f, command));
  submit(f, packet.slot());
  return response_in(f, packet);
}

Outcome<Bytes> legacy_pcr(Front& f) {
  Bytes response = TRY(run_legacy(f, pcr_read()));
  Bytes value = pcr_in(response);
  TRY(expect(!value.empty(), "PCRRead was answered with code " + std::to_string(code_in(response))));
  return value;
}

Outcome<> recovers_legacy(Front& f) {
  TRY(f.start_anew());
  TRY(f.connect_legacy());
  TRY(legacy_pcr(f));
  return {};
}

// ---- The kit as backend ----

Outcome<LegacyRequest> ask_legacy(Back& b, const Bytes& command) {
  if (!b.has_client()) return skipped("the frontend sends nothing by itself");
  b.drain();
  b.ask(command);
  for (Clock::time_point end = Clock::now() + b.patience.answer; Clock::now() < end;) {
    if (auto why = b.died()) return failed(*why);
    if (!b.bell(milliseconds(20))) continue;
    Slot slot = slot_on(b.page());
    b.trace.saw("slot " + text_of(slot));
    auto page = b.packet_page(slot.ref);
    TRY(expect(page.has_value(), "the slot names a page that is not granted: " + text_of(slot)));
    return LegacyRequest{slot, *page};
  }
  return failed("the command did not come: " + text_of(slot_on(b.page())));
}

void answer_legacy(Back& b, const LegacyRequest& request, const Bytes& packet, uint16_t size) {
  b.trace.did("answer " + std::to_string(size) + " " + client::hex(packet));
  request.page.store_bytes(request.slot.offset(), packet);
  Slot told = request.slot;
  told.size = size;
  put(b.page(), told);
  // Before the frontend hears of it: a kernel takes back no page that somebody maps.
  b.drop_packet();
  b.ring();
}

Outcome<> works_legacy(Back& b) {
  LegacyRequest request = TRY(ask_legacy(b, pcr_read()));
  Bytes response = b.execute(request.command());
  answer_legacy(b, request, response, static_cast<uint16_t>(response.size()));
  Bytes got = TRY(b.client_answer());
  if (auto why = b.died()) return failed(*why);
  return expect(got == response, "the client was answered " + client::hex(got) + ", not " + client::hex(response));
}

Outcome<> recovers_legacy(Back& b) {
  if (b.await_front_for({kClosing, kClosed, kInitialised}, b.patience.silence).ok()) {
    b.note("the frontend gives the ring up and offers another");
    TRY(b.stop_frontend());
    TRY(b.bring_to(Start::Legacy));
  }
  return works_legacy(b);
}

}  // namespace ringtest
