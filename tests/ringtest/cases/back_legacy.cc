// SPDX-License-Identifier: MIT
// Frontends that find a backend of version 1.
#include <algorithm>
#include <thread>

#include "tests/ringtest/legacy.h"
#include "tests/ringtest/meddler.h"

namespace ringtest {

namespace {

uint32_t claimed_size(const Bytes& packet) {
  return static_cast<uint32_t>(packet[2]) << 24 | static_cast<uint32_t>(packet[3]) << 16 |
         static_cast<uint32_t>(packet[4]) << 8 | packet[5];
}

// The client gets no answer of the TPM's; the frontend lives, and works.
Outcome<> answered_with_error(Back& b) {
  Bytes got = TRY(b.client_answer());
  if (auto why = b.died()) return failed(*why);
  TRY(expect(code_in(got) != 0, "the client was answered " + client::hex(got)));
  return recovers_legacy(b);
}

Outcome<> answered(Back& b, const LegacyRequest& request) {
  Bytes response = b.execute(request.command());
  answer_legacy(b, request, response, static_cast<uint16_t>(response.size()));
  Bytes got = TRY(b.client_answer());
  if (auto why = b.died()) return failed(*why);
  return expect(got == response, "the client was answered " + client::hex(got));
}

Outcome<> offers(Back& b) {
  for (const char* name : {"ring-ref", "event-channel"}) {
    std::string value = b.front_node(name).value_or("");
    TRY(expect(!value.empty() && value.find_first_not_of("0123456789") == std::string::npos,
               std::string(name) + " is '" + value + "'"));
  }
  return expect(!b.front_node("feature-protocol-v2"), "feature-protocol-v2 is there, and version 1 is spoken");
}

Outcome<> one_request(Back& b) {
  LegacyRequest request = TRY(ask_legacy(b, pcr_read()));
  TRY(expect(request.command() == pcr_read(), "the packet is " + client::hex(request.command())));
  TRY(expect(request.slot.address != 0, "the address is null: backends take that for no request"));
  return answered(b, request);
}

Outcome<> size_is_the_commands(Back& b) {
  if (!b.has_client() || !b.frontend().send.empty()) return skipped("needs a frontend that sends what it is given");
  // Clients may send more than the command.
  Bytes command = pcr_read();
  LegacyRequest request = TRY(ask_legacy(b, command));
  TRY(expect(request.slot.size == claimed_size(request.command()),
             "a size of " + std::to_string(request.slot.size) + " for a command of " +
                 std::to_string(claimed_size(request.command()))));
  return answered(b, request);
}

Outcome<> granted_no_more(Back& b) {
  LegacyRequest request = TRY(ask_legacy(b, pcr_read()));
  xen::GrantRef ref{request.slot.ref};
  TRY(answered(b, request));
  std::this_thread::sleep_for(b.patience.silence);
  return expect(!b.can_map(ref), "the page of a command that was answered is still granted");
}

Outcome<> long_answer(Back& b) {
  LegacyRequest request = TRY(ask_legacy(b, pcr_read()));
  Bytes response = client::Out().u16(0xc4).u32(kLongestPacket).u32(0);
  response.resize(kLongestPacket, 0x5a);
  answer_legacy(b, request, response, kLongestPacket);
  Bytes got = TRY(b.client_answer());
  return expect(got == response, "the client was given " + std::to_string(got.size()) + " bytes");
}

Outcome<> same_size(Back& b) {
  const Bytes command = client::Out().u16(0xc1).u32(10).u32(0x53);
  for (int i = 0; i < 3; i++) {
    LegacyRequest request = TRY(ask_legacy(b, command));
    TRY(answered(b, request));
  }
  return {};
}

// Notifications without an answer are none.
Outcome<> bell_without_answer(Back& b) {
  LegacyRequest request = TRY(ask_legacy(b, pcr_read()));
  for (int i = 0; i < 5; i++) {
    b.notify();
    std::this_thread::sleep_for(milliseconds(20));
  }
  return answered(b, request);
}

Outcome<> bell_storm(Back& b) {
  b.notify(20'000);
  TRY(works_legacy(b));
  LegacyRequest request = TRY(ask_legacy(b, pcr_read()));
  b.notify(5'000);
  return answered(b, request);
}

Outcome<> size_of_nothing(Back& b) {
  LegacyRequest request = TRY(ask_legacy(b, pcr_read()));
  answer_legacy(b, request, {}, 0);
  return answered_with_error(b);
}

Outcome<> claims(Back& b, uint16_t size, uint32_t claimed) {
  LegacyRequest request = TRY(ask_legacy(b, pcr_read()));
  answer_legacy(b, request, client::Out().u16(0xc4).u32(claimed).u32(0), size);
  return answered_with_error(b);
}
Outcome<> size_9(Back& b) { return claims(b, 9, 9); }
Outcome<> size_4097(Back& b) { return claims(b, kPage + 1, kPage + 1); }
Outcome<> size_65535(Back& b) { return claims(b, UINT16_MAX, UINT16_MAX); }
Outcome<> size_lies(Back& b) { return claims(b, 30, UINT32_MAX); }

Outcome<> size_changes(Back& b) {
  b.trace.did("answers whose size changes while they are taken, over and over");
  for (Clock::time_point enough = Clock::now() + b.patience.race; Clock::now() < enough;) {
    LegacyRequest request = TRY(ask_legacy(b, pcr_read()));
    request.page.store_bytes(request.slot.offset(), client::Out().u16(0xc4).u32(30).u32(0).raw(Bytes(20, 0)));
    Outcome<Bytes> got = Bytes();
    {
      Page page = b.page();
      Slot well = request.slot, wild = request.slot;
      well.size = 30;
      wild.size = UINT16_MAX;
      Meddler meddler([=] {
        put(page, well);
        put(page, wild);
      });
      b.ring();
      got = b.client_answer(false);
    }
    if (!got.ok()) return got.error();
    if (auto why = b.died()) return failed(*why);
    TRY(expect(got.value().size() <= kPage, "the client was given more than a page"));
    if (code_in(got.value()) != 0) TRY(recovers_legacy(b));
  }
  return recovers_legacy(b);
}

Outcome<> scribbles(Back& b) {
  for (int i = 0; i < 5; i++) {
    b.trace.did("scribble on the slot, without a command in flight");
    b.page().store_bytes(0, b.roll_bytes(16));
    b.notify();
    TRY(works_legacy(b));
  }
  return {};
}

Outcome<> closes_under_a_command(Back& b) {
  TRY(ask_legacy(b, extend()));
  TRY(b.show(kClosing));
  Bytes got = TRY(b.client_answer());
  TRY(expect(code_in(got) != 0, "the client was answered " + client::hex(got)));
  TRY(b.stop_frontend());
  TRY(b.bring_to(Start::Legacy));
  return works_legacy(b);
}

Outcome<> never_answers(Back& b) {
  TRY(ask_legacy(b, pcr_read()));
  b.trace.did("no answer, while the frontend is asked to end");
  b.hold();
  return b.stop_frontend();
}

constexpr char kFrontend[] = "frontend.md, Version 1";

constexpr BackCase kCases[] = {
    {"v1/offers", Kind::Rule, Start::Legacy, "ring-ref and event-channel are there, and no feature-protocol-v2",
     kTpmif1, offers},
    {"v1/request", Kind::Rule, Start::Legacy,
     "the slot names a granted page with the command, its address not null, and one notification tells of it", kTpmif1,
     one_request},
    {"v1/size", Kind::Rule, Start::Legacy, "the size in the slot is the command's paramSize", kTpmif1,
     size_is_the_commands},
    {"v1/granted-no-more", Kind::Rule, Start::Legacy, "the page of a command that was answered is granted no more",
     kMiniOs, granted_no_more},
    {"v1/long-answer", Kind::Rule, Start::Legacy, "an answer of 4088 bytes is taken", kTpmif1, long_answer},
    {"v1/same-size", Kind::Rule, Start::Legacy, "answers as long as their commands are taken", kTpmif1, same_size},
    {"v1/bell-without-answer", Kind::Hostile, Start::Legacy, "a notification while the command stands is no answer",
     kFrontend, bell_without_answer},
    {"v1/storm", Kind::Hostile, Start::Legacy, "thousands of notifications, with a command and without", kFrontend,
     bell_storm},
    {"v1/size-0", Kind::Hostile, Start::Legacy, "a size of 0 is an error for the client", kMiniOs, size_of_nothing},
    {"v1/size-9", Kind::Hostile, Start::Legacy, "a size shorter than every response, too", kFrontend, size_9},
    {"v1/size-4097", Kind::Hostile, Start::Legacy, "one longer than a page, too", kFrontend, size_4097},
    {"v1/size-65535", Kind::Hostile, Start::Legacy, "the largest, too", kFrontend, size_65535},
    {"v1/size-lies", Kind::Hostile, Start::Legacy, "a response of another size than the slot's, too", kFrontend,
     size_lies},
    {"v1/size-changes", Kind::Hostile, Start::Legacy,
     "a size that changes while it is taken: one of the two, or an error", kFrontend, size_changes},
    {"v1/scribbles", Kind::Hostile, Start::Legacy, "a slot that is overwritten between commands", kFrontend, scribbles},
    {"v1/closes-under-a-command", Kind::Rule, Start::Legacy, "the client of a command in flight gets an error", kXenbus,
     closes_under_a_command},
    {"v1/never-answers", Kind::Hostile, Start::Legacy, "it ends when it is asked to, answered or not", kFrontend,
     never_answers},
};

}  // namespace

std::span<const BackCase> back_legacy_cases() { return kCases; }

}  // namespace ringtest
