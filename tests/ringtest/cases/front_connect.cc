// SPDX-License-Identifier: MIT
// How a backend takes up a ring, and what it makes of nodes that offer none.
#include "tests/ringtest/front.h"

namespace ringtest {

namespace {

Outcome<> announces(Front& f) {
  TRY(expect(f.backend_state() == kInitWait, "the backend is in state " + f.backend_state()));
  return expect(f.backend_node("feature-protocol-v2") == "1", "state 2 without feature-protocol-v2 = 1");
}

Outcome<> connects(Front& f) {
  TRY(f.connect());
  return f.works();
}

Outcome<> serves_before_connected(Front& f) {
  TRY(f.make_ring());
  TRY(f.offer());
  for (int i = 0; i < 4; i++) TRY(f.run(pcr_read()));
  TRY(f.await_backend({kConnected}));
  TRY(f.set_state(kConnected));
  return f.works();
}

Outcome<> finds_early_request(Front& f) {
  TRY(f.make_ring());
  f.put({.length = 14, .state = kSubmit}, pcr_read());
  TRY(f.offer());
  TRY(f.response());
  TRY(f.await_backend({kConnected}));
  TRY(f.set_state(kConnected));
  return f.works();
}

Outcome<> waits_for_offer(Front& f) {
  TRY(f.make_ring());
  TRY(f.set("ring-ref", f.ref()));
  TRY(f.backend_stays_out_of(kConnected));
  TRY(f.set("event-channel", f.port()));
  TRY(f.set("feature-protocol-v2", "1"));
  TRY(f.backend_stays_out_of(kConnected));
  TRY(f.set_state(kInitialised));
  TRY(f.await_backend({kConnected}));
  TRY(f.set_state(kConnected));
  return f.works();
}

Outcome<> ignores_unknown_nodes(Front& f) {
  TRY(f.set("feature-from-the-future", "1"));
  TRY(f.set("protocol", "x86_64-abi"));
  TRY(f.set("multi/0/ring-ref", "7"));
  TRY(f.connect());
  return f.works();
}

Outcome<> takes_connected_at_once(Front& f) {
  TRY(f.make_ring());
  TRY(f.set("ring-ref", f.ref()));
  TRY(f.set("event-channel", f.port()));
  TRY(f.set("feature-protocol-v2", "1"));
  TRY(f.set_state(kConnected));
  TRY(f.await_backend({kConnected}));
  return f.works();
}

// An offer with one node wrong or, when `value` is empty, missing: never Connected, and a proper one is taken after it.
Outcome<> refuses(Front& f, const std::string& name, const std::string& value) {
  TRY(f.make_ring());
  TRY(f.set("ring-ref", f.ref()));
  TRY(f.set("event-channel", f.port()));
  TRY(f.set("feature-protocol-v2", "1"));
  TRY(value.empty() ? f.unset(name) : f.set(name, value));
  if (name != "state") TRY(f.set_state(kInitialised));
  TRY(f.backend_stays_out_of(kConnected));
  TRY(f.start_anew());
  TRY(f.connect());
  return f.works();
}

Outcome<> no_ref(Front& f) { return refuses(f, "ring-ref", ""); }
Outcome<> bad_ref(Front& f) { return refuses(f, "ring-ref", "8 or 9"); }
Outcome<> large_ref(Front& f) { return refuses(f, "ring-ref", "4294967296"); }
Outcome<> negative_ref(Front& f) { return refuses(f, "ring-ref", "-1"); }
Outcome<> ref_of_nothing(Front& f) { return refuses(f, "ring-ref", "4000"); }
Outcome<> no_port(Front& f) { return refuses(f, "event-channel", ""); }
Outcome<> bad_port(Front& f) { return refuses(f, "event-channel", "0x9"); }
Outcome<> port_zero(Front& f) { return refuses(f, "event-channel", "0"); }
Outcome<> port_to_nowhere(Front& f) { return refuses(f, "event-channel", "4000"); }
Outcome<> other_protocol(Front& f) { return refuses(f, "feature-protocol-v2", "0"); }
Outcome<> state_word(Front& f) { return refuses(f, "state", "three"); }
Outcome<> state_zero(Front& f) { return refuses(f, "state", "0"); }
Outcome<> state_seven(Front& f) { return refuses(f, "state", "7"); }
Outcome<> state_huge(Front& f) { return refuses(f, "state", "99999999999999999999"); }

// Version 1 may be spoken to such a frontend, version 2 may not.
Outcome<> no_protocol(Front& f) {
  TRY(f.make_ring());
  TRY(f.set("ring-ref", f.ref()));
  TRY(f.set("event-channel", f.port()));
  f.put({.length = 14, .state = kSubmit}, pcr_read());
  TRY(f.set_state(kInitialised));
  TRY(expect(!f.bell(f.patience.silence) || f.page().state() != kFinish, "a request of version 2 was answered"));
  if (f.backend_state() == kConnected) f.note("the backend connects without feature-protocol-v2");
  TRY(f.start_anew());
  TRY(f.connect());
  return f.works();
}

constexpr FrontCase kCases[] = {
    {"connect/announces", Kind::Rule, Start::Announced,
     "feature-protocol-v2 = 1 is there when the backend shows InitWait (2)", kTpmif, announces},
    {"connect/connects", Kind::Rule, Start::Announced,
     "an offer (ring-ref, event-channel, feature-protocol-v2, state 3) leads to Connected (4)", kXenbus, connects},
    {"connect/serves-before-connected", Kind::Rule, Start::Announced,
     "commands are answered while the frontend's state is still 3: drivers probe the TPM before they show 4", kLinux,
     serves_before_connected},
    {"connect/early-request", Kind::Rule, Start::Announced,
     "a request that is on the page before the port is bound, its notification lost, is found and answered", kProtocol,
     finds_early_request},
    {"connect/waits-for-offer", Kind::Rule, Start::Announced,
     "nodes written one by one mean nothing before the frontend's state is 3", kXenbus, waits_for_offer},
    {"connect/connected-at-once", Kind::Rule, Start::Announced,
     "a frontend already at 4 with a whole ring is served: a backend may be started after it", kManager,
     takes_connected_at_once},
    {"connect/unknown-features", Kind::Rule, Start::Announced, "nodes and features that are not known are ignored",
     kXenbus, ignores_unknown_nodes},
    {"connect/no-protocol-v2", Kind::Rule, Start::Announced,
     "without the frontend's feature-protocol-v2 the page is not taken for one of version 2", kTpmif, no_protocol},
    {"connect/protocol-v2-off", Kind::Rule, Start::Announced, "feature-protocol-v2 = 0 does not connect", kTpmif,
     other_protocol},
    {"connect/ring-ref-missing", Kind::Hostile, Start::Announced,
     "state 3 without ring-ref does not connect, and does no harm", kXenbus, no_ref},
    {"connect/ring-ref-no-number", Kind::Hostile, Start::Announced,
     "a ring-ref that is no decimal number does not connect", kXenbus, bad_ref},
    {"connect/ring-ref-too-large", Kind::Hostile, Start::Announced, "a ring-ref of 2^32 does not connect", kXenbus,
     large_ref},
    {"connect/ring-ref-negative", Kind::Hostile, Start::Announced, "a ring-ref of -1 does not connect", kXenbus,
     negative_ref},
    {"connect/ring-ref-of-nothing", Kind::Hostile, Start::Announced,
     "a ring-ref that was never granted does not connect", kXenbus, ref_of_nothing},
    {"connect/port-missing", Kind::Hostile, Start::Announced, "state 3 without event-channel does not connect", kXenbus,
     no_port},
    {"connect/port-no-number", Kind::Hostile, Start::Announced,
     "an event-channel that is no decimal number does not connect", kXenbus, bad_port},
    {"connect/port-zero", Kind::Hostile, Start::Announced, "port 0 does not connect", kXenbus, port_zero},
    {"connect/port-to-nowhere", Kind::Hostile, Start::Announced, "a port that was never allocated does not connect",
     kXenbus, port_to_nowhere},
    {"connect/state-word", Kind::Hostile, Start::Announced, "a state that is no number is no offer", kXenbus,
     state_word},
    {"connect/state-zero", Kind::Hostile, Start::Announced, "state 0 is no offer", kXenbus, state_zero},
    {"connect/state-reconfiguring", Kind::Hostile, Start::Announced, "state 7 is no offer", kXenbus, state_seven},
    {"connect/state-huge", Kind::Hostile, Start::Announced, "a state beyond every integer is no offer", kXenbus,
     state_huge},
};

}  // namespace

std::span<const FrontCase> front_connect_cases() { return kCases; }

}  // namespace ringtest
