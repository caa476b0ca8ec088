// SPDX-License-Identifier: MIT
#include "frontend/session.h"

#include <algorithm>
#include <array>

#include "frontend/stream.h"
#include "lib/base/log.h"

namespace frontend {

namespace {

constexpr uint16_t kTagWithoutAuthorisation = 0x00c1;
constexpr int kAttempts = 4;

// Part 2, 17: ordinals.
constexpr uint32_t kPcrRead = 0x15, kGetRandom = 0x46, kGetCapability = 0x65, kReadPubek = 0x7c, kSaveState = 0x98,
                   kStartup = 0x99, kGetTicks = 0xf1;

uint32_t number_at(base::View bytes, size_t at, size_t size) {
  uint32_t number = 0;
  for (uint8_t byte : bytes.subspan(at, size)) number = number << 8 | byte;
  return number;
}
uint32_t ordinal_of(base::View command) { return command.size() < 10 ? 0 : number_at(command, 6, 4); }

}  // namespace

bool repeatable(base::View command) {
  constexpr std::array kRepeatable = {kPcrRead, kGetRandom, kGetCapability, kReadPubek, kGetTicks};
  return command.size() >= 10 && number_at(command, 0, 2) == kTagWithoutAuthorisation &&
         std::ranges::find(kRepeatable, ordinal_of(command)) != kRepeatable.end();
}

base::Bytes Session::execute(base::View command, uint8_t locality) {
  uint32_t ordinal = ordinal_of(command);
  if (ordinal == kSaveState) state_saved_ = true;
  if (ordinal == kStartup) state_saved_ = false;
  bool again = repeatable(command) && !state_saved_;
  for (int attempts = 1;; attempts++) {
    auto response = attempt(command, locality);
    if (response.ok()) return std::move(response).take();
    base::log(base::Level::Warning, response.error().text());
    bool lost = response.error().number == ECONNRESET;
    if (!lost || !again || attempts == kAttempts) break;
  }
  return error_response(kTpmFail);
}

xen::Result<> Session::look() {
  bool was_connected = shim_.connected();
  TRY(shim_.look());
  if (!was_connected || shim_.connected()) return {};
  auto again = shim_.connect(patience_.connect);
  // The next command tries once more.
  if (!again.ok()) base::log(base::Level::Warning, again.error().text());
  return {};
}

xen::Result<base::Bytes> Session::attempt(base::View command, uint8_t locality) {
  TRY(shim_.look());
  if (!shim_.connected()) TRY(shim_.connect(patience_.connect));
  return shim_.transact(command, locality, patience_.command);
}

}  // namespace frontend
