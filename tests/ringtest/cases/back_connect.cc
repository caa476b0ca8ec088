// SPDX-License-Identifier: MIT
// How a frontend offers a ring, and what it makes of a backend that does not take it.
#include <algorithm>
#include <charconv>
#include <thread>

#include "tests/ringtest/back.h"

namespace ringtest {

namespace {

bool is_number(const std::string& text, uint64_t lowest) {
  uint32_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && number >= lowest;
}

Outcome<> offers(Back& b) {
  std::vector<std::string> names = TRY(b.writes_until_offer());
  auto state = std::ranges::find(names.rbegin(), names.rend(), "state");
  for (const char* name : {"ring-ref", "event-channel", "feature-protocol-v2"}) {
    TRY(expect(std::find(state, names.rend(), name) != names.rend(),
               std::string(name) + " is not written before the state becomes 3"));
  }
  std::string ref = b.front_node("ring-ref").value_or(""), port = b.front_node("event-channel").value_or("");
  std::string v2 = b.front_node("feature-protocol-v2").value_or("");
  TRY(expect(is_number(ref, 0), "ring-ref is '" + ref + "'"));
  TRY(expect(is_number(port, 1), "event-channel is '" + port + "'"));
  return expect(v2 == "1", "feature-protocol-v2 is '" + v2 + "'");
}

Outcome<> can_be_joined(Back& b) {
  TRY(b.start_frontend());
  TRY(b.await_front({kInitialised}));
  TRY(b.join());
  Header header = b.page().header();
  TRY(expect(header.state == kIdle || header.state == kSubmit, "a new page is in " + name_of_state(header.state)));
  return expect(header.n_extra_pages == 0, "a new page announces " + std::to_string(header.n_extra_pages) + " more");
}

Outcome<> connects(Back& b) {
  TRY(b.start_frontend());
  TRY(b.accept());
  return b.works();
}

Outcome<> waits_for_slow_backend(Back& b) {
  TRY(b.start_frontend());
  TRY(b.await_front({kInitialised}));
  std::this_thread::sleep_for(std::chrono::seconds(3));
  TRY(expect(b.front_state() == kInitialised, "the frontend went to state " + b.front_state()));
  TRY(b.accept());
  return b.works();
}

Outcome<> not_connected_alone(Back& b) {
  TRY(b.start_frontend());
  TRY(b.await_front({kInitialised}));
  for (Clock::time_point end = Clock::now() + b.patience.silence; Clock::now() < end;) {
    TRY(expect(b.front_state() != kConnected, "Connected while the backend is in InitWait"));
    std::this_thread::sleep_for(milliseconds(5));
  }
  return {};
}

Outcome<> backend_without_protocol(Back& b) {
  TRY(b.unset("feature-protocol-v2"));
  TRY(b.forget_front_state());
  TRY(b.start_frontend());
  // A driver that looks before it offers does not offer, or offers version 1; one that offered version 2 withdraws when
  // it sees Connected.
  bool offered = b.await_front({kInitialised, kClosing, kClosed}).ok();
  if (offered && !b.front_node("feature-protocol-v2")) {
    b.note("the frontend offers version 1");
    b.hold();
  } else if (offered && b.front_state() == kInitialised) {
    TRY(b.show(kConnected));
    bool withdrew = b.await_front({kClosing, kClosed, ""}).ok();
    TRY(expect(withdrew, "the frontend is in state " + b.front_state() + " with a backend that has no version 2"));
  }
  if (auto why = b.died()) return failed(*why);
  return {};
}

Outcome<> refused_at_once(Back& b) {
  TRY(b.start_frontend());
  TRY(b.await_front({kInitialised}));
  TRY(b.show(kClosing));
  TRY(b.await_front({kClosing, kClosed}));
  TRY(b.show(kClosed));
  if (auto why = b.died()) return failed(*why);
  return {};
}

Outcome<> unknown_nodes(Back& b) {
  TRY(b.set("feature-from-the-future", "1"));
  TRY(b.set("max-extra-pages", "many"));
  TRY(connects(b));
  TRY(b.unset("feature-from-the-future"));
  return b.unset("max-extra-pages");
}

constexpr BackCase kCases[] = {
    {"connect/offers", Kind::Rule, Start::Announced,
     "ring-ref, event-channel (decimal) and feature-protocol-v2 = 1 are there when the state is 3", kTpmif, offers},
    {"connect/can-be-joined", Kind::Rule, Start::Announced,
     "the grant can be mapped for writing, the port bound; the page is IDLE or SUBMIT, without extra pages", kTpmif,
     can_be_joined},
    {"connect/connects", Kind::Rule, Start::Announced, "Connected (4) is followed by the frontend's Connected", kXenbus,
     connects},
    {"connect/not-alone", Kind::Rule, Start::Announced, "no Connected before the backend's", kXenbus,
     not_connected_alone},
    {"connect/slow-backend", Kind::Rule, Start::Announced, "three seconds from the offer to Connected are no error",
     kLinux, waits_for_slow_backend},
    {"connect/no-protocol-v2", Kind::Rule, Start::Announced,
     "a backend without feature-protocol-v2 is not spoken to by version 2", kTpmif, backend_without_protocol},
    {"connect/refused", Kind::Rule, Start::Announced, "a backend that closes instead of connecting is followed",
     kXenbus, refused_at_once},
    {"connect/unknown-features", Kind::Rule, Start::Announced, "nodes that are not known are ignored", kXenbus,
     unknown_nodes},
};

}  // namespace

std::span<const BackCase> back_connect_cases() { return kCases; }

}  // namespace ringtest
