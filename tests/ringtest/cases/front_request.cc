// SPDX-License-Identifier: MIT
// Requests and answers: lengths, locality, extra pages, whose the page is, and notifications.
#include <thread>

#include "tests/ringtest/front.h"

namespace ringtest {

namespace {

Outcome<> answers(Front& f) {
  Bytes response = TRY(f.run(pcr_read()));
  return expect(pcr_in(response).size() == 20, "not a PCR: " + client::hex(response));
}

// The state is watched without waiting for the bell.
Outcome<> finish_comes_last(Front& f) {
  f.trace.did("PCRRead on a page full of 0xee, over and over, the state watched");
  for (Clock::time_point enough = Clock::now() + f.patience.race; Clock::now() < enough;) {
    f.drain();
    f.page().store_bytes(kHeader, Bytes(64, 0xee));
    f.page().put({.length = 14, .state = kSubmit}, pcr_read());
    f.notify();
    Header header{};
    Clock::time_point end = Clock::now() + f.patience.answer;
    do {
      header = f.page().header();
      if (Clock::now() > end) return failed("no answer: " + text_of(header));
    } while (header.state == kSubmit);
    Bytes packet = f.page().packet(header);
    TRY(expect(header.state == kFinish && pcr_in(packet).size() == 20 && header.length == 30,
               "when the state changed the answer was not there: " + text_of(header) + " " + client::hex(packet)));
  }
  return {};
}

Outcome<> notifies(Front& f) {
  f.submit(pcr_read());
  TRY(f.await_state(kFinish));
  return expect(f.bell(f.patience.silence), "FINISH without a notification");
}

Outcome<> one_after_another(Front& f) {
  for (int i = 0; i < 100; i++) TRY(answers(f));
  return {};
}

Outcome<> unused_byte(Front& f) {
  f.drain();
  f.put({.length = 14, .state = kSubmit, .unused = 0xff}, pcr_read());
  f.notify();
  return expect(!pcr_in(TRY(f.response())).empty(), "refused");
}

Outcome<> trailing_bytes(Front& f) {
  Bytes longest = pcr_read();
  longest.resize(kLongestPacket, 0xff);
  for (size_t length : {size_t{15}, size_t{100}, kLongestPacket}) {
    Bytes packet(longest.begin(), longest.begin() + static_cast<long>(length));
    Bytes response = TRY(f.run(packet));
    TRY(expect(!pcr_in(response).empty(), "refused with " + std::to_string(length - 14) + " bytes behind the command"));
  }
  return {};
}

Outcome<> largest_answer(Front& f) {
  Bytes response = TRY(f.run(client::Out().u16(0xc1).u32(14).u32(0x46).u32(4096)));
  return expect(code_in(response) == 0 && response.size() > 14, "GetRandom: " + client::hex(response));
}

// A request that must not be executed: it ends, whatever its answer, and nothing has happened.
Outcome<> not_executed(Front& f, const Header& header) {
  Bytes before = TRY(f.pcr());
  f.drain();
  f.put(header, extend());
  f.notify();
  Header after = TRY(f.await_end());
  if (after.state == kFinish) {
    Bytes packet = f.page().packet({.length = after.length, .n_extra_pages = header.n_extra_pages});
    // What a frontend is told whose backend died over the request, and was replaced.
    constexpr uint32_t kTpmFail = 9;
    TRY(expect(code_in(packet) != kTpmFail, "TPM_FAIL: the backend did not survive"));
    TRY(expect(after.length == 10 && size_in(packet) == 10 && code_in(packet) != 0,
               "not a TPM error at " + std::to_string(header.packet_at()) + ": " + text_of(after) + " " +
                   client::hex(packet)));
  }
  Bytes now = TRY(f.pcr());
  TRY(expect(now == before, "the command was executed"));
  return f.works();
}

Outcome<> length_0(Front& f) { return not_executed(f, {.length = 0, .state = kSubmit}); }
Outcome<> length_9(Front& f) { return not_executed(f, {.length = 9, .state = kSubmit}); }
Outcome<> length_below(Front& f) { return not_executed(f, {.length = 33, .state = kSubmit}); }
Outcome<> length_4089(Front& f) { return not_executed(f, {.length = kLongestPacket + 1, .state = kSubmit}); }
Outcome<> length_4096(Front& f) { return not_executed(f, {.length = kPage, .state = kSubmit}); }
Outcome<> length_negative(Front& f) { return not_executed(f, {.length = UINT32_MAX, .state = kSubmit}); }

Outcome<> allowed_localities(Front& f) {
  for (uint8_t locality = 0; locality < 4; locality++) {
    Bytes response = TRY(f.run(pcr_read(), locality));
    bool served = !pcr_in(response).empty();
    f.note("locality " + std::to_string(locality) + (served ? " is served" : " is refused"));
    TRY(expect(served || code_in(response) == 61, "code " + std::to_string(code_in(response))));
    TRY(expect(served || locality > 0, "locality 0 is refused"));
  }
  return {};
}
Outcome<> locality_4(Front& f) { return not_executed(f, {.length = 34, .state = kSubmit, .locality = 4}); }
Outcome<> locality_5(Front& f) { return not_executed(f, {.length = 34, .state = kSubmit, .locality = 5}); }
Outcome<> locality_255(Front& f) { return not_executed(f, {.length = 34, .state = kSubmit, .locality = 255}); }

Outcome<> one_extra_page(Front& f) { return not_executed(f, {.length = 34, .state = kSubmit, .n_extra_pages = 1}); }
Outcome<> most_extra_pages(Front& f) { return not_executed(f, {.length = 34, .state = kSubmit, .n_extra_pages = 255}); }

Outcome<> unknown_states(Front& f) {
  Bytes before = TRY(f.pcr());
  for (uint8_t state : {uint8_t{4}, uint8_t{5}, uint8_t{128}, uint8_t{255}}) {
    f.drain();
    f.put({.length = 34, .state = state}, extend());
    f.notify();
    static_cast<void>(f.bell(f.patience.silence));
    Bytes now = TRY(f.pcr());
    TRY(expect(now == before, name_of_state(state) + " was taken for a request"));
  }
  return f.works();
}

Outcome<> nothing_to_do(Front& f) {
  for (uint8_t state : {kIdle, kFinish}) {
    f.drain();
    f.put({.length = 34, .state = state}, extend());
    f.notify();
    TRY(f.silence());
  }
  return f.works();
}

Outcome<> work_without_notification(Front& f) {
  f.drain();
  f.put({.length = 14, .state = kSubmit}, pcr_read());
  bool found = f.bell(f.patience.silence);
  f.note(found ? "a request is found without a notification" : "a request waits for its notification");
  if (!found) f.notify();
  if (!found) TRY(f.response());
  return f.works();
}

Outcome<> storm_when_idle(Front& f) {
  f.drain();
  f.page().store_state(kIdle);
  f.notify(20'000);
  TRY(f.silence());
  return f.works();
}

Outcome<> storm_while_busy(Front& f) {
  Bytes before = TRY(f.pcr());
  f.submit(extend());
  f.notify(5'000);
  Bytes response = TRY(f.response());
  client::Out expected;
  expected.raw(before).raw(client::sha1(client::bytes_of("ring test")));
  Bytes once = client::bytes_of(client::sha1(expected));
  return expect(TRY(f.pcr()) == once, "the command was executed more than once, or not at all");
}

Outcome<> page_is_ours(Front& f) {
  TRY(f.run(pcr_read()));
  f.drain();
  f.trace.did("scribble on the page");
  f.page().store_bytes(kHeader, f.roll_bytes(kLongestPacket));
  TRY(f.silence());
  return f.works();
}

constexpr FrontCase kCases[] = {
    {"request/answered", Kind::Rule, Start::Connected,
     "SUBMIT and a notification: the answer is at 8 + 4 * nr_extra_pages, its length is the response's", kTpmif,
     answers},
    {"request/finish-comes-last", Kind::Rule, Start::Connected,
     "packet and length are there before the state says FINISH", kTpmif, finish_comes_last},
    {"request/notified", Kind::Rule, Start::Connected, "FINISH is followed by a notification", kTpmif, notifies},
    {"request/one-after-another", Kind::Rule, Start::Connected, "a hundred commands", kTpmif, one_after_another},
    {"request/unused-byte", Kind::Rule, Start::Connected, "the byte at 6 means nothing", kTpmif, unused_byte},
    {"request/page-is-the-frontends", Kind::Rule, Start::Connected,
     "between FINISH and SUBMIT the page is the frontend's: nothing is read there or written", kTpmif, page_is_ours},
    {"length/trailing-bytes", Kind::Rule, Start::Connected,
     "a length above the command's paramSize is accepted, up to the end of the page", kLinux, trailing_bytes},
    {"length/large-answer", Kind::Rule, Start::Connected, "an answer as long as the TPM makes it", kTpmif,
     largest_answer},
    {"length/below-param-size", Kind::Rule, Start::Connected, "a length below paramSize is answered with an error",
     kProtocol, length_below},
    {"length/0", Kind::Hostile, Start::Connected, "no command: ended, not executed, the device goes on", kProtocol,
     length_0},
    {"length/9", Kind::Hostile, Start::Connected, "shorter than a header: the same", kProtocol, length_9},
    {"length/4089", Kind::Hostile, Start::Connected, "one byte beyond the page: the same", kProtocol, length_4089},
    {"length/4096", Kind::Hostile, Start::Connected, "a whole page: the same", kProtocol, length_4096},
    {"length/largest", Kind::Hostile, Start::Connected, "2^32 - 1: the same", kProtocol, length_negative},
    {"locality/allowed", Kind::Rule, Start::Connected,
     "locality 0 is served; 1 to 3 are served or answered with TPM_BAD_LOCALITY", kProtocol, allowed_localities},
    {"locality/4", Kind::Hostile, Start::Connected, "4 belongs to a platform's hardware: an error, not executed",
     kProtocol, locality_4},
    {"locality/5", Kind::Hostile, Start::Connected, "there is no 5: the same", kProtocol, locality_5},
    {"locality/255", Kind::Hostile, Start::Connected, "nor 255: the same", kProtocol, locality_255},
    {"extra-pages/1", Kind::Hostile, Start::Connected,
     "extra pages that were not agreed on: an error where such a frontend looks for it, at 12", kProtocol,
     one_extra_page},
    {"extra-pages/255", Kind::Hostile, Start::Connected, "the same at 8 + 4 * 255", kProtocol, most_extra_pages},
    {"state/unknown", Kind::Hostile, Start::Connected, "states above CANCEL are no request", kProtocol, unknown_states},
    {"notify/without-work", Kind::Rule, Start::Connected,
     "a notification with IDLE or FINISH on the page changes nothing", kTpmif, nothing_to_do},
    {"notify/work-without-it", Kind::Rule, Start::Connected,
     "SUBMIT without a notification is taken at the latest with the next one", kTpmif, work_without_notification},
    {"notify/storm-when-idle", Kind::Hostile, Start::Connected, "20,000 notifications for nothing do no harm", kTpmif,
     storm_when_idle},
    {"notify/storm-while-busy", Kind::Hostile, Start::Connected,
     "5,000 notifications for one command: it is executed once", kTpmif, storm_while_busy},
};

}  // namespace

std::span<const FrontCase> front_request_cases() { return kCases; }

}  // namespace ringtest
