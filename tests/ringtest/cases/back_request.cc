// SPDX-License-Identifier: MIT
// Requests as a frontend makes them, and answers as it takes them.
#include <thread>

#include "tests/ringtest/back.h"

namespace ringtest {

namespace {

// A request on the page, whose command is the one asked for; unanswered yet.
Outcome<Header> one_request(Back& b) {
  b.ask(pcr_read());
  return b.await_request();
}

// Answers it, and looks at what reaches the client.
Outcome<> answered(Back& b, const Header& header) {
  Bytes response = b.answer_of(header);
  b.finish(response);
  Bytes got = TRY(b.client_answer());
  if (auto why = b.died()) return failed(*why);
  return expect(!b.has_client() || got == response, "the client was answered " + client::hex(got));
}

// The client gets no answer of the TPM's, and the frontend goes on.
Outcome<> answered_with_error(Back& b) {
  Bytes got = TRY(b.client_answer());
  if (auto why = b.died()) return failed(*why);
  TRY(expect(code_in(got) != 0, "the client was answered " + client::hex(got)));
  return b.works();
}

Outcome<> header_is_sane(Back& b) {
  Header header = TRY(one_request(b));
  TRY(expect(header.length >= 10 && header.length <= kLongestPacket, text_of(header)));
  TRY(expect(header.locality < 4, text_of(header)));
  TRY(expect(header.n_extra_pages == 0, text_of(header)));
  return answered(b, header);
}

Outcome<> packet_at_8(Back& b) {
  Header header = TRY(one_request(b));
  Bytes packet = b.page().packet(header);
  bool tagged = packet.size() >= 10 && packet[0] == 0 && packet[1] >= 0xc1 && packet[1] <= 0xc3;
  size_t size = tagged ? size_t{packet[2]} << 24 | size_t{packet[3]} << 16 | size_t{packet[4]} << 8 | packet[5] : 0;
  TRY(expect(tagged && size >= 10, "no TPM command at 8: " + client::hex(packet)));
  TRY(expect(size <= header.length,
             "length " + std::to_string(header.length) + " for a command of " + std::to_string(size)));
  return answered(b, header);
}

Outcome<> submit_comes_last(Back& b) {
  constexpr size_t kTail = 16;
  if (!b.has_client() || !b.frontend().send.empty())
    return skipped("needs a frontend that sends at once when it is told to");
  b.trace.did("a long command, over and over, the state watched");
  // As long as can be, so that there is time between its first byte and its last.
  Bytes command = client::Out().u16(0xc1).u32(kLongestPacket).u32(0xb);
  command.resize(kLongestPacket, 0x5a);
  for (Clock::time_point enough = Clock::now() + b.patience.race; Clock::now() < enough;) {
    Page page = b.page();
    page.store_bytes(kHeader, Bytes(kLongestPacket, 0xee));
    page.store_length(0xeeee);
    b.ask(command);
    Clock::time_point end = Clock::now() + b.patience.answer;
    Header header{};
    while ((header = page.header()).state != kSubmit) {
      if (Clock::now() > end) return failed("the command did not come");
    }
    Bytes tail = page.bytes(kPage - kTail, kTail);
    TRY(expect(header.length == kLongestPacket && tail == Bytes(kTail, 0x5a),
               "SUBMIT with " + text_of(header) + ", and its last bytes are " + client::hex(tail)));
    b.finish(client::Out().u16(0xc4).u32(10).u32(0));
    TRY(b.client_answer());
  }
  return {};
}

Outcome<> notifies(Back& b) {
  b.drain();
  b.ask(pcr_read());
  Clock::time_point end = Clock::now() + b.patience.answer;
  while (!b.bell(milliseconds(5))) {
    if (Clock::now() < end) continue;
    if (!b.has_client()) return skipped("the frontend sends nothing by itself");
    return failed(b.page().state() == kSubmit ? "SUBMIT without a notification" : "the command did not come");
  }
  Header header = TRY(b.await_request());
  return answered(b, header);
}

Outcome<> leaves_page_alone(Back& b) {
  Header header = TRY(one_request(b));
  Bytes before = b.page().all();
  for (Clock::time_point end = Clock::now() + 3 * b.patience.silence; Clock::now() < end;) {
    Bytes now = b.page().all();
    if (b.page().state() == kCancel) return skipped("the frontend cancels sooner");
    TRY(expect(now == before, "the frontend wrote on the page between SUBMIT and FINISH"));
    std::this_thread::sleep_for(milliseconds(10));
  }
  return answered(b, header);
}

Outcome<> waits_through_false_bells(Back& b) {
  Header header = TRY(one_request(b));
  for (int i = 0; i < 20; i++) {
    b.notify();
    std::this_thread::sleep_for(milliseconds(5));
  }
  TRY(expect(b.page().state() == kSubmit, "a notification without FINISH was taken for an answer"));
  return answered(b, header);
}

Outcome<> late_bell(Back& b) {
  Header header = TRY(one_request(b));
  Bytes response = b.answer_of(header);
  b.trace.did("FINISH, the notification later");
  b.page().store_bytes(kHeader, response);
  b.page().store_length(static_cast<uint32_t>(response.size()));
  b.page().store_state(kFinish);
  std::this_thread::sleep_for(b.patience.silence);
  b.notify();
  Bytes got = TRY(b.client_answer());
  TRY(expect(!b.has_client() || got == response, "the client was answered " + client::hex(got)));
  return b.works();
}

Outcome<> large_answer(Back& b) {
  if (!b.has_client()) return skipped("needs a frontend that can be told what to send");
  b.ask(client::Out().u16(0xc1).u32(14).u32(0x46).u32(4000));
  Header header = TRY(b.await_request());
  return answered(b, header);
}

Outcome<> one_after_another(Back& b) {
  int times = b.frontend().send.empty() ? 50 : 5;
  for (int i = 0; i < times; i++) TRY(b.works());
  return {};
}

Outcome<> writes_header_anew(Back& b) {
  TRY(b.works());
  b.trace.did("FINISH with locality, byte 6 and nr_extra_pages changed");
  for (size_t at : {size_t{5}, size_t{6}, size_t{7}}) b.page().store_byte(at, 3);
  b.ask(pcr_read());
  Clock::time_point end = Clock::now() + b.patience.answer;
  Header header{};
  while ((header = b.page().header()).state != kSubmit) {
    if (Clock::now() < end) continue;
    if (!b.has_client()) return skipped("the frontend sends nothing by itself");
    return failed("the command did not come");
  }
  TRY(expect(header.n_extra_pages == 0, "nr_extra_pages is what the backend left there: " + text_of(header)));
  TRY(expect(header.locality != 3, "the locality is what the backend left there: " + text_of(header)));
  header = TRY(b.await_request());
  return answered(b, header);
}

Outcome<> idle_is_no_answer(Back& b) {
  Header header = TRY(one_request(b));
  // An answer that must not be taken: the state says that there is none.
  Bytes response = b.answer_of(header);
  b.finish_as({.length = static_cast<uint32_t>(response.size()), .state = kIdle}, response);
  if (!b.has_client()) return b.works();
  return answered_with_error(b);
}

Outcome<> cancels(Back& b) {
  unsigned after = b.frontend().cancels_after_s;
  if (after == 0) return skipped("--cancels does not say that the frontend does");
  TRY(one_request(b));
  // The notification of SUBMIT may come after it was seen.
  std::this_thread::sleep_for(b.patience.silence);
  b.drain();
  Clock::time_point end = Clock::now() + std::chrono::seconds(after) + b.patience.answer;
  while (b.page().state() == kSubmit) {
    if (Clock::now() > end) return failed("no CANCEL after " + std::to_string(after) + " s");
    std::this_thread::sleep_for(milliseconds(10));
  }
  TRY(expect(b.page().state() == kCancel, "the state went to " + name_of_state(b.page().state())));
  TRY(expect(b.bell(b.patience.silence), "CANCEL without a notification"));
  b.finish_as({.state = kIdle}, {});
  return answered_with_error(b);
}

Outcome<> cancelled_with_answer(Back& b) {
  unsigned after = b.frontend().cancels_after_s;
  if (after == 0) return skipped("--cancels does not say that the frontend does");
  Header header = TRY(one_request(b));
  Clock::time_point end = Clock::now() + std::chrono::seconds(after) + b.patience.answer;
  while (b.page().state() == kSubmit && Clock::now() < end) std::this_thread::sleep_for(milliseconds(10));
  TRY(expect(b.page().state() == kCancel, "no CANCEL after " + std::to_string(after) + " s"));
  // It was too late: the answer is valid.
  return answered(b, header);
}

constexpr BackCase kCases[] = {
    {"request/header", Kind::Rule, Start::Connected,
     "length from 10 to 4088, locality below 4, no extra pages that were not agreed on", kTpmif, header_is_sane},
    {"request/packet-at-8", Kind::Rule, Start::Connected,
     "the command is at 8 + 4 * nr_extra_pages, and length covers it", kTpmif, packet_at_8},
    {"request/submit-comes-last", Kind::Rule, Start::Connected,
     "packet and length are there before the state says SUBMIT", kTpmif, submit_comes_last},
    {"request/notified", Kind::Rule, Start::Connected, "SUBMIT is followed by a notification", kTpmif, notifies},
    {"request/page-is-the-backends", Kind::Rule, Start::Connected,
     "between SUBMIT and FINISH the frontend writes nothing there but CANCEL", kTpmif, leaves_page_alone},
    {"request/header-is-written-anew", Kind::Rule, Start::Connected,
     "locality and nr_extra_pages do not stay as the last answer left them", kTpmif, writes_header_anew},
    {"request/one-after-another", Kind::Rule, Start::Connected, "many commands", kTpmif, one_after_another},
    {"answer/large", Kind::Rule, Start::Connected, "a long answer reaches the client whole", kTpmif, large_answer},
    {"answer/notify-without-it", Kind::Rule, Start::Connected, "a notification alone is no answer", kTpmif,
     waits_through_false_bells},
    {"answer/notified-later", Kind::Rule, Start::Connected,
     "FINISH whose notification comes later is taken at the latest then", kTpmif, late_bell},
    {"answer/idle-is-none", Kind::Rule, Start::Connected,
     "IDLE instead of FINISH: cancelled, an error for the client, whatever is on the page", kLinux, idle_is_no_answer},
    {"cancel/notified", Kind::Rule, Start::Connected,
     "CANCEL comes with a notification; IDLE after it is an error for the client, and the next command works", kTpmif,
     cancels},
    {"cancel/too-late", Kind::Rule, Start::Connected, "FINISH after CANCEL is a valid answer", kTpmif,
     cancelled_with_answer},
};

}  // namespace

std::span<const BackCase> back_request_cases() { return kCases; }

}  // namespace ringtest
