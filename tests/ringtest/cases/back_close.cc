// SPDX-License-Identifier: MIT
// How a frontend ends, how it follows a backend that ends, and how it comes back.
#include <thread>

#include "tests/ringtest/back.h"

namespace ringtest {

namespace {

Outcome<> by_frontend(Back& b) {
  TRY(b.stop_frontend());
  std::string state = b.front_state();
  return expect(state == kClosed || state == kInitialising, "the frontend left its state at " + state);
}

Outcome<> by_backend(Back& b) {
  TRY(b.show(kClosing));
  TRY(b.await_front({kClosing, kClosed}));
  b.leave();
  TRY(b.show(kClosed));
  TRY(b.await_front({kClosed, kInitialising, kInitialised}));
  if (auto why = b.died()) return failed(*why);
  return {};
}

Outcome<> grant_is_revoked(Back& b) {
  xen::GrantRef ref = b.ref();
  TRY(expect(b.can_map(ref), "the page cannot be mapped a second time"));
  TRY(b.stop_frontend());
  Clock::time_point end = Clock::now() + b.patience.answer;
  while (b.can_map(ref)) {
    if (Clock::now() > end) return failed("the page is still granted after both halves have closed");
    std::this_thread::sleep_for(milliseconds(50));
  }
  return {};
}

Outcome<> grant_is_revoked_after_backend(Back& b) {
  xen::GrantRef ref = b.ref();
  const std::string number = std::to_string(static_cast<unsigned>(ref));
  TRY(by_backend(b));
  Clock::time_point end = Clock::now() + b.patience.answer;
  while (b.can_map(ref)) {
    // Only a number that was free is given to the next ring.
    if (b.front_state() == kInitialised && b.front_node("ring-ref") == number) return {};
    if (Clock::now() > end) return failed("the page is still granted after both halves have closed");
    std::this_thread::sleep_for(milliseconds(50));
  }
  return {};
}

Outcome<> closing_in_a_command(Back& b) {
  b.ask(pcr_read());
  TRY(b.await_request());
  b.trace.did("IDLE, notify, unmap, state = 6");
  b.leave();
  TRY(b.show(kClosed));
  TRY(b.await_front({kClosing, kClosed, kInitialising, kInitialised}));
  // Whoever asks again at once is served again; the command itself is lost.
  TRY(b.show(kInitWait));
  Bytes got = TRY(b.client_answer());
  if (auto why = b.died()) return failed(*why);
  return expect(code_in(got) != 0, "a command that was never answered succeeded: " + client::hex(got));
}

Outcome<> backend_comes_back(Back& b) {
  TRY(by_backend(b));
  if (!b.come_back().ok()) {
    b.note("the frontend comes back when it is started again, not before");
    TRY(b.bring_to(Start::Announced));
    TRY(b.start_frontend());
    TRY(b.accept());
  }
  return b.works();
}

Outcome<> backend_is_replaced(Back& b) {
  b.ask(pcr_read());
  TRY(b.await_request());
  b.trace.did("unmap and map again, as a backend that died and its successor; states stay 4");
  b.drop();
  std::this_thread::sleep_for(b.patience.silence);
  TRY(b.join());
  Header header = b.page().header();
  TRY(expect(header.state == kSubmit, "the command in flight is gone: " + text_of(header)));
  Bytes response = b.answer_of(header);
  b.finish(response);
  Bytes got = TRY(b.client_answer());
  TRY(expect(!b.has_client() || got == response, "the client was answered " + client::hex(got)));
  return b.works();
}

Outcome<> starts_again(Back& b) {
  for (int i = 0; i < 3; i++) {
    TRY(b.stop_frontend());
    TRY(b.bring_to(Start::Connected));
    TRY(b.works());
  }
  return {};
}

constexpr BackCase kCases[] = {
    {"close/by-frontend", Kind::Rule, Start::Connected, "a frontend that ends leaves its state at 6, or 1", kXenbus,
     by_frontend},
    {"close/by-backend", Kind::Rule, Start::Connected, "backend 5: the frontend goes to 5 or 6, then to 6", kXenbus,
     by_backend},
    {"close/grant-is-revoked", Kind::Rule, Start::Connected,
     "when the frontend has closed, its page cannot be mapped any more", kXenbus, grant_is_revoked},
    {"close/grant-is-revoked-after-backend", Kind::Rule, Start::Connected, "the same when the backend closed first",
     kXenbus, grant_is_revoked_after_backend},
    {"close/in-a-command", Kind::Rule, Start::Connected,
     "a backend that closes in the middle of a command: an error for the client, who does not wait for ever", kXenbus,
     closing_in_a_command},
    {"reconnect/backend-comes-back", Kind::Rule, Start::Connected, "backend 5, 6, 2: a new ring is offered", kXenbus,
     backend_comes_back},
    {"reconnect/backend-is-replaced", Kind::Rule, Start::Connected,
     "another backend process takes over page and port while both states stay 4: the command in flight is answered",
     kManager, backend_is_replaced},
    {"reconnect/starts-again", Kind::Rule, Start::Connected, "ended and started again, three times", kXenbus,
     starts_again},
};

}  // namespace

std::span<const BackCase> back_close_cases() { return kCases; }

}  // namespace ringtest
