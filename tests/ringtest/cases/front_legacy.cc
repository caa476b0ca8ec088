// SPDX-License-Identifier: MIT
// Version 1: a slot that names a page, granted for one command; the notification is the request, and the answer.
#include <atomic>
#include <thread>

#include "tests/ringtest/legacy.h"
#include "tests/ringtest/meddler.h"

namespace ringtest {

namespace {

constexpr uint32_t kFail = 9, kBadOrdinal = 10;
const Bytes kUnknownCommand = client::Out().u16(0xc1).u32(10).u32(0xffff);

Outcome<> connects(Front& f) {
  TRY(f.connect_legacy());
  TRY(legacy_pcr(f));
  return {};
}

Outcome<> stays_initialised(Front& f) {
  TRY(f.connect_legacy(kInitialised, false));
  TRY(legacy_pcr(f));
  std::this_thread::sleep_for(f.patience.silence);
  TRY(legacy_pcr(f));
  return expect(f.backend_state() == kConnected, "the backend is in state " + f.backend_state());
}

Outcome<> connected_at_once(Front& f) {
  TRY(f.connect_legacy(kConnected, false));
  TRY(legacy_pcr(f));
  return {};
}

// What a page that nobody has cleared may hold: no request, since nobody has notified.
Outcome<> dirty_page(Front& f) {
  TRY(f.make_ring());
  const Bytes left(kPage, 0xa5);
  f.page().store_bytes(0, left);
  TRY(f.offer_legacy(kInitialised));
  TRY(f.await_backend({kConnected}));
  f.drain();
  TRY(f.silence());
  TRY(expect(f.page().all() == left, "the slot was answered"));
  TRY(legacy_pcr(f));
  return {};
}

Outcome<> answers_in_place(Front& f) {
  Packet packet = TRY(Packet::grant(f, pcr_read()));
  packet.page().store_bytes(100, Bytes(200, 0x5a));
  submit(f, packet.slot());
  Bytes response = TRY(response_in(f, packet));
  TRY(expect(!pcr_in(response).empty(), "PCRRead was answered with " + client::hex(response)));
  TRY(expect(packet.page().bytes(100, 200) == Bytes(200, 0x5a), "the answer is longer than it says"));
  Slot now = slot_on(f.page());
  return expect(now.ref == packet.slot().ref && now.address == packet.slot().address, "only the size is the backend's");
}

Outcome<> one_page_for_all(Front& f) {
  Packet packet = TRY(Packet::grant(f, pcr_read()));
  for (int i = 0; i < 10; i++) {
    packet.page().store_bytes(0, pcr_read());
    submit(f, packet.slot());
    Bytes response = TRY(response_in(f, packet));
    TRY(expect(!pcr_in(response).empty(), "PCRRead was answered with " + client::hex(response)));
  }
  return {};
}

// A request as long as the answer before it: nothing in the slot changes but by the backend.
Outcome<> same_size(Front& f) {
  Packet packet = TRY(Packet::grant(f, kUnknownCommand));
  for (int i = 0; i < 3; i++) {
    packet.page().store_bytes(0, kUnknownCommand);
    submit(f, packet.slot());
    Bytes response = TRY(response_in(f, packet));
    TRY(expect(code_in(response) == kBadOrdinal, "an unknown command was answered with " + client::hex(response)));
  }
  return {};
}

Outcome<> odd_address(Front& f) {
  Packet packet = TRY(Packet::grant(f, pcr_read(), 8));
  Slot slot = packet.slot();
  slot.address = 0xfedcba9876543008;
  slot.unused = 0xffff;
  submit(f, slot);
  TRY(response_in(f, packet));
  return {};
}

Outcome<> longest(Front& f) {
  Bytes command = client::Out().u16(0xc1).u32(kLongestPacket).u32(0xffff);
  command.resize(kLongestPacket, 0x5a);
  Bytes response = TRY(run_legacy(f, command));
  return expect(code_in(response) == kBadOrdinal, "answered with " + client::hex(response));
}

Outcome<> silent_without_notification(Front& f) {
  Packet packet = TRY(Packet::grant(f, pcr_read()));
  f.drain();
  put(f.page(), packet.slot());
  TRY(f.silence());
  f.notify();
  TRY(response_in(f, packet));
  return {};
}

// The answer still stands in the page.
Outcome<> notification_without_request(Front& f) {
  Packet packet = TRY(Packet::grant(f, pcr_read()));
  submit(f, packet.slot());
  Bytes response = TRY(response_in(f, packet));
  f.notify(3);
  TRY(f.silence());
  TRY(expect(packet.bytes(response.size()) == response, "the answer was changed"));
  TRY(legacy_pcr(f));
  return {};
}

Outcome<> keeps_pcrs(Front& f) {
  TRY(run_legacy(f, extend()));
  Bytes before = TRY(legacy_pcr(f));
  TRY(f.start_anew());
  TRY(f.connect());
  Bytes by_version_2 = TRY(f.pcr());
  TRY(expect(by_version_2 == before, "version 2 finds other PCRs"));
  TRY(f.start_anew());
  TRY(f.connect_legacy());
  Bytes again = TRY(legacy_pcr(f));
  return expect(again == before, "version 1 finds other PCRs");
}

// Answered with TPM_FAIL where the packet is; then the ring works.
Outcome<> fails(Front& f, const Packet& packet, const Slot& slot) {
  Bytes before = TRY(legacy_pcr(f));
  submit(f, slot);
  Bytes response = TRY(response_in(f, packet));
  TRY(expect(code_in(response) == kFail, "answered with " + client::hex(response)));
  Bytes after = TRY(legacy_pcr(f));
  return expect(after == before, "it was executed");
}
Outcome<> fails_with_size(Front& f, uint16_t size) {
  Packet packet = TRY(Packet::grant(f, extend()));
  Slot slot = packet.slot();
  slot.size = size;
  return fails(f, packet, slot);
}
Outcome<> size_0(Front& f) { return fails_with_size(f, 0); }
Outcome<> size_9(Front& f) { return fails_with_size(f, 9); }
Outcome<> size_4089(Front& f) { return fails_with_size(f, kLongestPacket + 1); }
Outcome<> size_65535(Front& f) { return fails_with_size(f, UINT16_MAX); }
Outcome<> size_lies(Front& f) {
  TRY(fails_with_size(f, 33));
  return fails_with_size(f, 35);
}
Outcome<> far_offset(Front& f) {
  Packet packet = TRY(Packet::grant(f, extend(), 2000));
  return fails(f, packet, packet.slot());
}

// No answer can be given: a size of 0, and a notification.
Outcome<> gets_nothing(Front& f, const Slot& slot) {
  submit(f, slot);
  uint16_t size = TRY(told_size(f));
  TRY(expect(size == 0, "an answer of " + std::to_string(size) + " bytes in a page that cannot be written"));
  TRY(legacy_pcr(f));
  return {};
}

Outcome<> crosses_page(Front& f) {
  Packet packet = TRY(Packet::grant(f, Bytes(6, 0x5a), kPage - 6));
  Slot slot = packet.slot();
  slot.size = 34;
  TRY(gets_nothing(f, slot));
  return expect(packet.bytes(6) == Bytes(6, 0x5a), "something was written there");
}
Outcome<> ref_of_nothing(Front& f) { return gets_nothing(f, {.ref = 4000, .size = 14}); }
Outcome<> ref_huge(Front& f) { return gets_nothing(f, {.ref = UINT32_MAX, .size = 14}); }
Outcome<> granted_to_another(Front& f) {
  constexpr xen::DomId kNobody{4000};
  Packet packet = TRY(Packet::grant_to(kNobody, extend()));
  TRY(gets_nothing(f, packet.slot()));
  return expect(packet.bytes(34) == extend(), "something was written there");
}

// Granted for reading: the command may be executed, but its answer has no way back.
Outcome<> read_only(Front& f) {
  ReadOnlyPage page = TRY(ReadOnlyPage::grant(f.backend(), pcr_read()));
  return gets_nothing(f, {.ref = page.ref(), .size = 14});
}

Outcome<> revoked(Front& f) {
  for (int i = 0; i < 50; i++) {
    {
      Packet packet = TRY(Packet::grant(f, extend()));
      submit(f, packet.slot());
      if (i % 2 == 0) std::this_thread::sleep_for(std::chrono::microseconds(f.roll(300)));
    }
    TRY(told_size(f));
  }
  TRY(legacy_pcr(f));
  return {};
}

Outcome<> rewrites_slot(Front& f) {
  Packet packet = TRY(Packet::grant(f, pcr_read()));
  Packet other = TRY(Packet::grant(f, Bytes(kPage, 0x33)));
  f.trace.did("PCRRead, over and over, while another thread rewrites the slot");
  Slot well = packet.slot();
  {
    Page page = f.page();
    Meddler meddler([&, page] {
      put(page, well);
      put(page, {.address = UINT64_MAX, .ref = UINT32_MAX, .unused = 7, .size = UINT16_MAX});
      put(page, {.address = kPage + 4090, .ref = other.slot().ref, .size = 4096});
    });
    for (Clock::time_point enough = Clock::now() + f.patience.race; Clock::now() < enough;) {
      packet.page().store_bytes(0, pcr_read());
      f.notify();
      static_cast<void>(f.bell(milliseconds(20)));
    }
  }
  // Whatever was left under way.
  while (f.bell(f.patience.silence)) continue;
  TRY(legacy_pcr(f));
  return {};
}

Outcome<> rewrites_packet(Front& f) {
  Packet packet = TRY(Packet::grant(f, pcr_read()));
  Bytes read = pcr_read(), forbidden = client::Out().u16(0xc3).u32(0xffffffff).u32(0x14).u32(0xffffffff);
  f.trace.did("PCRRead, over and over, while another thread changes the packet into another");
  {
    Page page = packet.page();
    Meddler meddler([=] {
      page.store_bytes(0, read);
      page.store_bytes(0, forbidden);
    });
    for (Clock::time_point enough = Clock::now() + f.patience.race; Clock::now() < enough;) {
      put(f.page(), packet.slot());
      f.notify();
      static_cast<void>(f.bell(milliseconds(20)));
    }
  }
  // Whatever was left under way.
  while (f.bell(f.patience.silence)) continue;
  TRY(legacy_pcr(f));
  return {};
}

// The slot while a command runs is not looked at again: the answer goes where the command came from.
Outcome<> slot_moves(Front& f) {
  for (int i = 0; i < 200; i++) {
    Packet packet = TRY(Packet::grant(f, pcr_read())), other = TRY(Packet::grant(f, Bytes(64, 0x33)));
    f.drain();
    put(f.page(), packet.slot());
    f.notify();
    std::this_thread::sleep_for(std::chrono::microseconds(f.roll(400)));
    Slot elsewhere = other.slot();
    put(f.page(), elsewhere);
    TRY(told_size(f));
    Bytes there = other.bytes(64);
    // It may have been taken before or after, but not half of it.
    bool taken = size_in(packet.bytes(30)) == 30;
    bool refused = code_in(other.bytes(10)) == kFail && size_in(other.bytes(10)) == 10;
    TRY(expect(taken || refused, "the answer to one packet is neither in it nor in the one behind the slot"));
    TRY(expect(!taken || there == Bytes(64, 0x33), "the answer went where the slot pointed to later"));
  }
  TRY(legacy_pcr(f));
  return {};
}

Outcome<> storm(Front& f) {
  Bytes before = TRY(legacy_pcr(f));
  Packet packet = TRY(Packet::grant(f, extend()));
  f.drain();
  put(f.page(), packet.slot());
  f.notify(5'000);
  TRY(response_in(f, packet));
  // One that is late finds the answer there.
  while (f.bell(f.patience.silence)) continue;
  Bytes command = extend();
  before.insert(before.end(), command.end() - 20, command.end());
  auto once = client::sha1(before);
  Bytes after = TRY(legacy_pcr(f));
  return expect(after == Bytes(once.begin(), once.end()), "the command was not executed once");
}

Outcome<> random_slots(Front& f) {
  Packet packet = TRY(Packet::grant(f, pcr_read()));
  for (int i = 0; i < 200; i++) {
    packet.page().store_bytes(0, f.roll(2) != 0 ? pcr_read() : f.roll_bytes(64));
    Slot slot{.address = f.roll(3) == 0 ? f.dice() : kPage + f.roll(12),
              .ref = f.roll(4) == 0 ? static_cast<uint32_t>(f.dice()) : packet.slot().ref,
              .unused = static_cast<uint16_t>(f.dice()),
              .size = static_cast<uint16_t>(f.roll(3) == 0 ? f.dice() : f.roll(40))};
    // What looks like an answer is not answered.
    Bytes tag = packet.page().bytes(std::min<size_t>(slot.offset(), kPage - 2), 2);
    if (tag[0] == 0 && tag[1] >= 0xc4 && tag[1] <= 0xc6) continue;
    submit(f, slot);
    TRY(told_size(f));
  }
  f.drain();
  TRY(legacy_pcr(f));
  return {};
}

Outcome<> ring_revoked(Front& f) {
  Packet packet = TRY(Packet::grant(f, pcr_read()));
  submit(f, packet.slot());
  f.trace.did("unshare the ring's page while it is mapped");
  f.drop_page();
  return recovers_legacy(f);
}

constexpr char kLegacy[] = "protocol.md, Version 1";

constexpr FrontCase kCases[] = {
    {"v1/connects", Kind::Rule, Start::Announced,
     "an offer without feature-protocol-v2 leads to Connected (4), and a command is answered", kLegacy, connects},
    {"v1/stays-initialised", Kind::Rule, Start::Announced, "a frontend that stays in state 3 is served", kLinux26,
     stays_initialised},
    {"v1/connected-at-once", Kind::Rule, Start::Announced, "one that goes to 4 at once is served", kMiniOs,
     connected_at_once},
    {"v1/dirty-page", Kind::Rule, Start::Announced,
     "what stands on the page when it is offered is no request, and gets no notification", kLinux26, dirty_page},
    {"v1/answers-in-place", Kind::Rule, Start::Legacy,
     "the answer is where the command was, the slot says its size, and nothing else is written", kTpmif1,
     answers_in_place},
    {"v1/one-page-for-all", Kind::Rule, Start::Legacy, "a page may stay granted, and be used again", kLinux26,
     one_page_for_all},
    {"v1/same-size", Kind::Rule, Start::Legacy, "a command as long as the answer before it is a command", kLinux26,
     same_size},
    {"v1/odd-address", Kind::Rule, Start::Legacy,
     "of the address only the place in the page counts, up to 8 of it, and the filler not at all", kTpmif1, odd_address},
    {"v1/longest", Kind::Rule, Start::Legacy, "a command of 4088 bytes is taken", kLegacy, longest},
    {"v1/silent", Kind::Rule, Start::Legacy, "without a notification nothing is answered", kTpmif1,
     silent_without_notification},
    {"v1/notify-without-work", Kind::Rule, Start::Legacy,
     "a notification when the answer stands there is answered by none", kLegacy, notification_without_request},
    {"v1/keeps-pcrs", Kind::Rule, Start::Legacy, "the TPM is the same to a frontend of version 2", kLegacy, keeps_pcrs},
    {"v1/size-0", Kind::Hostile, Start::Legacy, "a size of 0 gets TPM_FAIL", kLegacy, size_0},
    {"v1/size-9", Kind::Hostile, Start::Legacy, "a size shorter than every command gets TPM_FAIL", kLegacy, size_9},
    {"v1/size-4089", Kind::Hostile, Start::Legacy, "a size of more than 4088 gets TPM_FAIL", kLegacy, size_4089},
    {"v1/size-65535", Kind::Hostile, Start::Legacy, "the same for the largest", kLegacy, size_65535},
    {"v1/size-lies", Kind::Hostile, Start::Legacy, "a size that is not paramSize gets TPM_FAIL", kLegacy, size_lies},
    {"v1/far-offset", Kind::Hostile, Start::Legacy,
     "a packet far in its page, without room for the longest answer, gets TPM_FAIL", kLegacy, far_offset},
    {"v1/crosses-page", Kind::Hostile, Start::Legacy,
     "a packet at the end of its page gets no answer but a size of 0, and nothing is written", kLegacy, crosses_page},
    {"v1/ref-of-nothing", Kind::Hostile, Start::Legacy, "a page that was never granted: a size of 0", kLegacy,
     ref_of_nothing},
    {"v1/ref-huge", Kind::Hostile, Start::Legacy, "the same for a reference beyond every table", kLegacy, ref_huge},
    {"v1/granted-to-another", Kind::Hostile, Start::Legacy, "the same for a page that another domain may use", kLegacy,
     granted_to_another},
    {"v1/read-only", Kind::Hostile, Start::Legacy, "the same for a page that may only be read", kLegacy, read_only},
    {"v1/revoked", Kind::Hostile, Start::Legacy, "pages that are unshared in the middle of a command", kLegacy,
     revoked},
    {"v1/rewrites-slot", Kind::Hostile, Start::Legacy,
     "the slot is loaded once: changing it while a command is taken does no harm", kLegacy, rewrites_slot},
    {"v1/rewrites-packet", Kind::Hostile, Start::Legacy, "the same for the packet", kLegacy, rewrites_packet},
    {"v1/slot-moves", Kind::Hostile, Start::Legacy,
     "the answer goes where the command came from, whatever the slot says meanwhile", kLegacy, slot_moves},
    {"v1/storm", Kind::Hostile, Start::Legacy, "thousands of notifications execute a command once", kLegacy, storm},
    {"v1/random-slots", Kind::Hostile, Start::Legacy, "two hundred slots of chance: each is answered", kLegacy,
     random_slots},
    {"v1/ring-revoked", Kind::Hostile, Start::Legacy,
     "the ring's page unshared in the middle of a command: the device comes back", kXenbus, ring_revoked},
};

}  // namespace

std::span<const FrontCase> front_legacy_cases() { return kCases; }

}  // namespace ringtest
