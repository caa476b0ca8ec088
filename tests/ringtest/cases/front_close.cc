// SPDX-License-Identifier: MIT
// How a backend lets go of a ring, and takes up the next.
#include <thread>

#include "tests/ringtest/front.h"

namespace ringtest {

namespace {

Outcome<> closes(Front& f) {
  TRY(f.set_state(kClosing));
  TRY(f.await_backend({kClosing, kClosed}));
  TRY(f.set_state(kClosed));
  TRY(f.await_backend({kClosed}));
  return {};
}

Outcome<> closes_without_closing(Front& f) {
  TRY(f.set_state(kClosed));
  TRY(f.await_backend({kClosed}));
  return {};
}

Outcome<> leaves_idle(Front& f) {
  f.drain();
  f.put({.length = 14, .state = kSubmit}, pcr_read());
  TRY(f.set_state(kClosing));
  TRY(f.await_backend({kClosing, kClosed}));
  TRY(f.set_state(kClosed));
  TRY(f.await_backend({kClosed}));
  uint8_t state = f.page().state();
  TRY(expect(state == kIdle || state == kFinish, "the page was left in " + name_of_state(state)));
  return expect(f.bell(f.patience.silence), "nobody was told that the request is over");
}

Outcome<> lets_go(Front& f) {
  TRY(closes(f));
  f.drain();
  f.put({.length = 14, .state = kSubmit}, pcr_read());
  f.notify();
  return f.silence();
}

// From whatever state the frontend was in: 6, 1, and a new ring.
Outcome<> comes_back(Front& f) {
  TRY(f.start_anew());
  TRY(f.connect());
  return f.works();
}
Outcome<> from_initialising(Front& f) {
  TRY(f.set_state(kInitialising));
  return comes_back(f);
}
Outcome<> from_initialised(Front& f) {
  TRY(f.make_ring());
  TRY(f.offer());
  return comes_back(f);
}
Outcome<> from_connected(Front& f) { return comes_back(f); }
Outcome<> from_closing(Front& f) {
  TRY(f.set_state(kClosing));
  TRY(f.await_backend({kClosing, kClosed}));
  return comes_back(f);
}
Outcome<> from_closed(Front& f) {
  TRY(closes(f));
  return comes_back(f);
}

Outcome<> straight_to_offer(Front& f) {
  TRY(f.close());
  TRY(f.make_ring());
  TRY(f.offer());
  TRY(f.await_backend({kConnected}));
  TRY(f.set_state(kConnected));
  return f.works();
}

Outcome<> restarted_without_closing(Front& f) {
  // Where the same numbers are offered again, what tells the rings apart is that Connected has been seen between them.
  std::this_thread::sleep_for(f.patience.silence);
  f.drop_page();
  f.drop_port();
  TRY(f.set_state(kInitialising));
  TRY(f.make_ring());
  TRY(f.offer());
  // The state may still be Connected from before: what counts is the new page.
  TRY(f.run(pcr_read()));
  TRY(f.await_backend({kConnected}));
  TRY(f.set_state(kConnected));
  return f.works();
}

Outcome<> keeps_pcrs(Front& f) {
  TRY(f.run(extend()));
  Bytes before = TRY(f.pcr());
  TRY(f.start_anew());
  TRY(f.connect());
  Bytes after = TRY(f.pcr());
  return expect(before == after,
                "PCR " + std::to_string(kPcr) + " was " + client::hex(before) + ", is " + client::hex(after));
}

Outcome<> vanishing_state(Front& f) {
  TRY(f.unset("state"));
  TRY(f.await_backend({kClosing, kClosed}));
  TRY(f.set_state(kClosed));
  return comes_back(f);
}

constexpr FrontCase kCases[] = {
    {"close/by-frontend", Kind::Rule, Start::Connected, "frontend 5, backend 5 or 6, frontend 6, backend 6", kXenbus,
     closes},
    {"close/without-closing", Kind::Rule, Start::Connected,
     "a frontend that goes to 6 without 5, as an unbound driver does, is followed to 6", kLinux,
     closes_without_closing},
    {"close/leaves-page-idle", Kind::Rule, Start::Connected,
     "before the page is unmapped a waiting request is ended (IDLE or FINISH) and notified: drivers wait for it for "
     "ever",
     kProtocol, leaves_idle},
    {"close/lets-go", Kind::Rule, Start::Connected, "after 6 the backend does nothing with the page any more", kXenbus,
     lets_go},
    {"close/state-removed", Kind::Rule, Start::Connected,
     "a frontend whose nodes are gone is closed: the toolstack removes them first", kManager, vanishing_state},
    {"reconnect/from-initialising", Kind::Rule, Start::Announced, "6, 1, offer: from state 1", kXenbus,
     from_initialising},
    {"reconnect/from-initialised", Kind::Rule, Start::Announced, "6, 1, offer: from state 3", kXenbus,
     from_initialised},
    {"reconnect/from-connected", Kind::Rule, Start::Connected, "6, 1, offer: from state 4", kXenbus, from_connected},
    {"reconnect/from-closing", Kind::Rule, Start::Connected, "6, 1, offer: from state 5", kXenbus, from_closing},
    {"reconnect/from-closed", Kind::Rule, Start::Connected, "6, 1, offer: from state 6", kXenbus, from_closed},
    {"reconnect/straight-to-offer", Kind::Rule, Start::Connected,
     "from 6 to 3 without 1, as Linux binds its driver again", kLinux, straight_to_offer},
    {"reconnect/without-closing", Kind::Rule, Start::Connected,
     "from 4 to 1 with a new ring, as a kernel that was started anew: the old ring is dropped", kManager,
     restarted_without_closing},
    {"reconnect/keeps-pcrs", Kind::Rule, Start::Connected, "a new ring is no loss of power: PCRs stand", kManager,
     keeps_pcrs},
};

}  // namespace

std::span<const FrontCase> front_close_cases() { return kCases; }

}  // namespace ringtest
