// SPDX-License-Identifier: MIT
// How long a backend takes. Reported, not judged.
#include <algorithm>

#include "tests/ringtest/front.h"

namespace ringtest {

namespace {

std::string microseconds(Clock::duration took) {
  return std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(took).count()) + " us";
}

Outcome<> round_trip(Front& f) {
  std::vector<Clock::duration> took;
  for (int i = 0; i < 200; i++) {
    Clock::time_point begun = Clock::now();
    TRY(f.run(pcr_read()));
    took.push_back(Clock::now() - begun);
  }
  std::ranges::sort(took);
  f.note("PCRRead: median " + microseconds(took[took.size() / 2]) + ", longest " + microseconds(took.back()));
  return {};
}

Outcome<> connecting(Front& f) {
  Clock::time_point begun = Clock::now();
  TRY(f.connect());
  f.note("from the offer to Connected: " + microseconds(Clock::now() - begun));
  return {};
}

Outcome<> closing(Front& f) {
  Clock::time_point begun = Clock::now();
  TRY(f.close());
  f.note("from Closing to Closed: " + microseconds(Clock::now() - begun));
  return {};
}

constexpr FrontCase kCases[] = {
    {"timing/round-trip", Kind::Timing, Start::Connected, "how long a command takes", kTpmif, round_trip},
    {"timing/connecting", Kind::Timing, Start::Announced, "how long connecting takes", kXenbus, connecting},
    {"timing/closing", Kind::Timing, Start::Connected, "how long closing takes", kXenbus, closing},
};

}  // namespace

std::span<const FrontCase> front_timing_cases() { return kCases; }

}  // namespace ringtest
