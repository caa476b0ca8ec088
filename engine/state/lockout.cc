// SPDX-License-Identifier: MIT
#include "engine/state/lockout.h"

#include <algorithm>

namespace tpm {

namespace {

constexpr uint64_t kTicksASecond = 1'000'000;

// A key is a key, however it was named.
size_t place(EntityType type) {
  auto at = static_cast<size_t>(type == EntityType::Key ? EntityType::KeyHandle : type);
  return at < std::tuple_size_v<decltype(Lockout::by_type)> ? at : 0;
}

uint64_t period(uint16_t count) {
  unsigned beyond = count - Lockout::kThreshold - 1u;
  uint64_t seconds = beyond < 16 ? uint64_t{Lockout::kFirstSeconds} << beyond : Lockout::kMostSeconds;
  return std::min<uint64_t>(seconds, Lockout::kMostSeconds) * kTicksASecond;
}

// Ticks start anew with the power; then so does what is left of a time-out, because nobody knows how much that is.
uint64_t end_of(const Lockout::Guesses& guesses, const CurrentTicks& now) {
  return guesses.ticks_nonce == now.nonce ? guesses.ends_at : period(guesses.count);
}

bool over(const Lockout::Guesses& guesses, const CurrentTicks& now) {
  return guesses.running && now.ticks >= end_of(guesses, now);
}

}  // namespace

const Lockout::Guesses& Lockout::of(EntityType type) const { return by_type[place(type)]; }

uint32_t Lockout::seconds_left(EntityType type, const CurrentTicks& now) const {
  const Guesses& guesses = of(type);
  if (!guesses.running || over(guesses, now)) return 0;
  return static_cast<uint32_t>((end_of(guesses, now) - now.ticks + kTicksASecond - 1) / kTicksASecond);
}

bool Lockout::running() const { return std::ranges::any_of(by_type, &Guesses::running); }

bool Lockout::something_is_over(const CurrentTicks& now) const {
  return std::ranges::any_of(by_type, [&now](const Guesses& guesses) { return over(guesses, now); });
}

void Lockout::end_what_is_over(const CurrentTicks& now) {
  for (Guesses& guesses : by_type) {
    if (over(guesses, now)) guesses.running = false;
  }
  if (!running()) reset_disabled = false;
}

void Lockout::count(EntityType type, const CurrentTicks& now) {
  Guesses& guesses = by_type[place(type)];
  if (guesses.count < UINT16_MAX) guesses.count++;
  if (guesses.count > kThreshold) start(guesses, now);
}

void Lockout::refuse_reset(const CurrentTicks& now) {
  if (!running()) return;
  reset_disabled = true;
  for (Guesses& guesses : by_type) {
    if (guesses.running) start(guesses, now);
  }
}

void Lockout::start(Guesses& guesses, const CurrentTicks& now) {
  guesses.running = true;
  guesses.ends_at = now.ticks + period(guesses.count);
  guesses.ticks_nonce = now.nonce;
}

}  // namespace tpm
