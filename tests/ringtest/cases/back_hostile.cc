// SPDX-License-Identifier: MIT
// Backends that are not to be trusted: the frontend's process must live, be safe from what they claim, and end when it
// is asked to.
#include <atomic>
#include <thread>

#include "tests/ringtest/back.h"

namespace ringtest {

namespace {

// An answer that claims to be so long: an error for the client, or no more than a page holds.
Outcome<> claims_length(Back& b, uint32_t length) {
  b.ask(pcr_read());
  TRY(b.await_request());
  b.finish_as({.length = length, .state = kFinish}, client::Out().u16(0xc4).u32(length).u32(0));
  Bytes got = TRY(b.client_answer());
  if (auto why = b.died()) return failed(*why);
  TRY(expect(got.size() <= kLongestPacket, "the client was given " + std::to_string(got.size()) + " bytes"));
  return b.recovers();
}
Outcome<> length_0(Back& b) { return claims_length(b, 0); }
Outcome<> length_9(Back& b) { return claims_length(b, 9); }
Outcome<> length_4089(Back& b) { return claims_length(b, kLongestPacket + 1); }
Outcome<> length_largest(Back& b) { return claims_length(b, UINT32_MAX); }

// One answer whose length changes while it is taken; whether the frontend took one of the lengths.
Outcome<bool> changing_length(Back& b) {
  b.ask(pcr_read());
  TRY(b.await_request());
  Page page = b.page();
  page.store_bytes(kHeader, client::Out().u16(0xc4).u32(30).u32(0).raw(Bytes(20, 0)));
  std::atomic<bool> ending = false;
  std::thread meddler([&] {
    while (!ending) {
      page.store_length(30);
      page.store_length(UINT32_MAX);
    }
  });
  page.store_state(kFinish);
  b.ring();
  auto got = b.client_answer(false);
  ending = true;
  meddler.join();
  if (!got.ok()) return got.error();
  if (auto why = b.died()) return failed(*why);
  TRY(expect(got.value().size() <= kLongestPacket, "the client was given more than a page"));
  return !b.has_client() || code_in(got.value()) == 0;
}

Outcome<> length_changes(Back& b) {
  b.trace.did("answers whose length changes while they are taken, over and over");
  for (Clock::time_point enough = Clock::now() + b.patience.race; Clock::now() < enough;) {
    bool taken = TRY(changing_length(b));
    if (!taken) TRY(b.recovers());
  }
  return b.recovers();
}

Outcome<> unknown_state(Back& b) {
  b.ask(pcr_read());
  Header header = TRY(b.await_request());
  for (uint8_t state : {uint8_t{4}, uint8_t{77}, uint8_t{255}}) {
    b.page().store_state(state);
    b.notify();
    std::this_thread::sleep_for(milliseconds(20));
  }
  Bytes response = b.answer_of(header);
  b.finish(response);
  Bytes got = TRY(b.client_answer());
  if (auto why = b.died()) return failed(*why);
  if (b.has_client() && got != response) b.note("a state that there is not ends the command");
  return b.works();
}

Outcome<> bell_storm(Back& b) {
  b.notify(20'000);
  TRY(b.works());
  b.ask(pcr_read());
  Header header = TRY(b.await_request());
  b.notify(5'000);
  Bytes response = b.answer_of(header);
  b.finish(response);
  Bytes got = TRY(b.client_answer());
  TRY(expect(!b.has_client() || got == response, "the client was answered " + client::hex(got)));
  return b.works();
}

Outcome<> scribbles(Back& b) {
  for (int i = 0; i < 5; i++) {
    b.trace.did("scribble on the page");
    b.page().store_bytes(kHeader, b.roll_bytes(kLongestPacket));
    b.page().store_length(static_cast<uint32_t>(b.dice()));
    for (size_t at : {size_t{5}, size_t{6}, size_t{7}}) b.page().store_byte(at, static_cast<uint8_t>(b.dice()));
    b.notify();
    TRY(b.works());
  }
  return {};
}

// What it is told in its nodes is rubbish: it lives, and works when it has been started again.
Outcome<> bad_state(Back& b, const char* state) {
  TRY(b.set("state", state));
  std::this_thread::sleep_for(b.patience.silence);
  if (auto why = b.died()) return failed(*why);
  TRY(b.set("state", kConnected));
  TRY(b.stop_frontend());
  TRY(b.bring_to(Start::Connected));
  return b.works();
}
Outcome<> state_word(Back& b) { return bad_state(b, "four"); }
Outcome<> state_seven(Back& b) { return bad_state(b, "7"); }
Outcome<> state_huge(Back& b) { return bad_state(b, "99999999999999999999"); }

Outcome<> never_answers(Back& b) {
  b.ask(pcr_read());
  TRY(b.await_request());
  b.trace.did("no answer, while the frontend is asked to end");
  b.hold();
  Clock::time_point begun = Clock::now();
  TRY(b.stop_frontend());
  auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - begun);
  b.note("ended after " + std::to_string(took.count()) + " ms");
  return {};
}

Outcome<> vanishes(Back& b) {
  b.ask(pcr_read());
  TRY(b.await_request());
  b.trace.did("unmap, unbind, and say nothing");
  b.drop();
  b.hold();
  TRY(b.stop_frontend());
  return {};
}

Outcome<> never_closes(Back& b) {
  b.hold();
  b.ask_to_stop();
  Clock::time_point end = Clock::now() + 2 * b.patience.answer;
  while (!b.ended() && b.front_state() != kClosed) {
    if (Clock::now() > end) return failed("it waits for ever for a backend that does not close");
    std::this_thread::sleep_for(milliseconds(20));
  }
  if (auto why = b.died()) return failed(*why);
  return {};
}

constexpr BackCase kCases[] = {
    {"hostile/length-0", Kind::Hostile, Start::Connected, "an answer of no bytes", kTpmif, length_0},
    {"hostile/length-9", Kind::Hostile, Start::Connected, "an answer shorter than a header", kTpmif, length_9},
    {"hostile/length-4089", Kind::Hostile, Start::Connected, "an answer of one byte more than the page holds", kTpmif,
     length_4089},
    {"hostile/length-largest", Kind::Hostile, Start::Connected, "an answer of 2^32 - 1 bytes", kTpmif, length_largest},
    {"hostile/length-changes", Kind::Hostile, Start::Connected,
     "the length is loaded once: changing it while the answer is taken does no harm", kTpmif, length_changes},
    {"hostile/unknown-state", Kind::Hostile, Start::Connected, "states that there are not", kTpmif, unknown_state},
    {"hostile/bell-storm", Kind::Hostile, Start::Connected, "25,000 notifications", kTpmif, bell_storm},
    {"hostile/scribbles", Kind::Hostile, Start::Connected, "a page full of rubbish between two commands", kTpmif,
     scribbles},
    {"hostile/state-word", Kind::Hostile, Start::Connected, "a state of xenbus that is no number", kXenbus, state_word},
    {"hostile/state-reconfiguring", Kind::Hostile, Start::Connected, "state 7", kXenbus, state_seven},
    {"hostile/state-huge", Kind::Hostile, Start::Connected, "a state beyond every integer", kXenbus, state_huge},
    {"hostile/never-answers", Kind::Hostile, Start::Connected,
     "a command that is not answered does not keep the frontend from ending", kXenbus, never_answers},
    {"hostile/vanishes", Kind::Hostile, Start::Connected, "nor does a backend that is gone without a word", kXenbus,
     vanishes},
    {"hostile/never-closes", Kind::Hostile, Start::Connected, "nor does one that never shows Closed", kXenbus,
     never_closes},
};

}  // namespace

std::span<const BackCase> back_hostile_cases() { return kCases; }

}  // namespace ringtest
