// SPDX-License-Identifier: MIT
// How long a frontend takes. Reported, not judged.
#include "tests/ringtest/back.h"

namespace ringtest {

namespace {

std::string milliseconds_since(Clock::time_point begun) {
  return std::to_string(std::chrono::duration_cast<milliseconds>(Clock::now() - begun).count()) + " ms";
}

Outcome<> connecting(Back& b) {
  Clock::time_point begun = Clock::now();
  TRY(b.start_frontend());
  TRY(b.await_front({kInitialised}));
  b.note("from its start to the offer: " + milliseconds_since(begun));
  begun = Clock::now();
  TRY(b.accept());
  b.note("from the offer to Connected on both sides: " + milliseconds_since(begun));
  return {};
}

Outcome<> closing(Back& b) {
  Clock::time_point begun = Clock::now();
  TRY(b.stop_frontend());
  b.note("from the order to end to the end: " + milliseconds_since(begun));
  return {};
}

Outcome<> gap(Back& b) {
  TRY(b.works());
  Clock::time_point begun = Clock::now();
  TRY(b.works());
  b.note("one command and its answer, with the client's part: " + milliseconds_since(begun));
  return {};
}

constexpr BackCase kCases[] = {
    {"timing/connecting", Kind::Timing, Start::Announced, "how long connecting takes", kXenbus, connecting},
    {"timing/command", Kind::Timing, Start::Connected, "how long a command takes", kTpmif, gap},
    {"timing/closing", Kind::Timing, Start::Connected, "how long ending takes", kXenbus, closing},
};

}  // namespace

std::span<const BackCase> back_timing_cases() { return kCases; }

}  // namespace ringtest
