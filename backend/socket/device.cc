// SPDX-License-Identifier: MIT
#include "backend/socket/device.h"

#include <algorithm>

#include "lib/base/log.h"
#include "lib/wire/writer.h"

namespace socketd {

namespace {

Answer done(bool well) { return well ? Answer::Success : Answer::Fail; }

using base::Level;

constexpr uint8_t kMostLocality = 4;
constexpr size_t kHeaderBytes = 10;
constexpr size_t kCodeAt = 6;

struct Header {
  uint16_t tag;
  uint32_t size;
  uint32_t code;
};
base::Bytes only_header(uint16_t tag, uint32_t code) { return wire::encode(Header{tag, kHeaderBytes, code}); }
base::Bytes request(uint32_t ordinal) { return only_header(0x00c1, ordinal); }
base::Bytes response(uint32_t code) { return only_header(0x00c4, code); }

Answer answer_of(base::View response) {
  auto code = wire::decode<uint32_t>(response.subspan(kCodeAt, sizeof(uint32_t)));
  return code.ok() ? Answer{code.value()} : Answer::Fail;
}

struct StartupCommand {
  uint16_t tag = 0x00c1;
  uint32_t size = 12;
  uint32_t ordinal = 0x99;
  uint16_t type = 2;  // TPM_ST_STATE; Engine::startup() sends the others
};

}  // namespace

tpm::Settings Device::settings(uint32_t buffer_bytes) {
  tpm::Settings settings;
  settings.buffer_bytes = buffer_bytes;
  return settings;
}

void Device::power_on(Startup startup) {
  engine_->power_on();
  on_ = true;
  if (startup == Startup::None) return;
  if (startup == Startup::State) {
    if (answer_of(execute_at(0, wire::encode(StartupCommand{}))) == Answer::Success) return;
    base::log(Level::Error, "there is no saved state to start from: the TPM answers TPM_FAILEDSELFTEST");
  } else if (!engine_->startup(startup == Startup::Deactivated)) {
    base::log(Level::Error, "the TPM failed its self-test");
  }
}

Answer Device::init(bool once) {
  stop();
  auto state = kept();
  if (!state.ok()) {
    base::log(Level::Error, state.error());
    return Answer::Fail;
  }
  if (!reload()) return Answer::Fail;
  if (!state.value()) {
    engine_->power_on();
  } else if (!go_on_with(*state.value())) {
    return Answer::Fail;
  }
  if (once && !forget_volatile()) return Answer::IoError;
  base::log(Level::Info, state.value() ? "power is on, with the volatile state that was kept" : "power is on");
  on_ = true;
  return Answer::Success;
}

// What a buffer's size or an earlier failure has left in the engine does not outlive its power.
bool Device::reload() {
  auto engine = tpm::Engine::load(host_, settings(buffer_bytes_), engine_->save_permanent());
  if (!engine.ok()) return false;
  engine_ = std::move(engine).take();
  return true;
}

// A volatile state goes with the permanent state it was taken beside: keys and sessions of an owner who is gone, or
// PCRs of another boot, must not come back.
bool Device::go_on_with(base::View state) {
  Sha256 beside = sha256(engine_->save_permanent());
  if (state.size() < beside.size() || !std::ranges::equal(beside, state.first(beside.size()))) {
    base::log(Level::Error, "the volatile state that was kept is not of this permanent state: the TPM stays off");
    return false;
  }
  if (engine_->resume(state.subspan(beside.size())).ok()) return true;
  base::log(Level::Error, "the volatile state that was kept is malformed or of another version: the TPM stays off");
  return false;
}

base::Bytes Device::execute(base::View command) {
  constexpr uint32_t kFail = 9, kBadParamSize = 25;
  if (!on_) return response(kFail);
  if (command.size() > buffer_bytes_) return response(kBadParamSize);
  return execute_at(locality_, command);
}

base::Bytes Device::execute_at(uint8_t locality, base::View command) {
  host_.next_command();
  base::Bytes response(kBufferBytes);
  size_t n = engine_->execute(locality, base::ForeignBytes::read_only(command), base::ForeignBytes(response));
  response.resize(n);
  return response;
}

Answer Device::set_locality(uint8_t locality) {
  if (locality > kMostLocality) return Answer::BadLocality;
  locality_ = locality;
  return Answer::Success;
}

Answer Device::hash_start() { return on_ ? done(engine_->hash_start()) : Answer::BadOrdinal; }
Answer Device::hash_data(base::View data) { return on_ ? done(engine_->hash_data(data)) : Answer::BadOrdinal; }
Answer Device::hash_end() { return on_ ? done(engine_->hash_end()) : Answer::BadOrdinal; }

Answer Device::reset_established(uint8_t locality) {
  constexpr uint32_t kResetEstablishmentBit = 0x4000000b;
  if (!on_) return Answer::BadOrdinal;
  if (locality > kMostLocality) return Answer::BadLocality;
  return answer_of(execute_at(locality, request(kResetEstablishmentBit)));
}

Answer Device::set_buffer_bytes(uint32_t wanted) {
  if (on_) return Answer::BadOrdinal;
  buffer_bytes_ = std::clamp(wanted, kLeastBufferBytes, kBufferBytes);
  return Answer::Success;
}

base::Bytes Device::volatile_state() const {
  base::Bytes state = base::copy_of(sha256(engine_->save_permanent()));
  base::append(state, engine_->save_volatile());
  return state;
}

bool Device::keep(base::View state) {
  if (file_ != nullptr) return file_->write(Part::Volatile, state);
  kept_ = base::copy_of(state);
  return true;
}

Or<std::optional<base::Bytes>> Device::kept() const {
  if (file_ != nullptr) return file_->read(Part::Volatile);
  return kept_;
}

bool Device::forget_volatile() {
  kept_.reset();
  return file_ == nullptr || file_->remove(Part::Volatile);
}

Answer Device::set_permanent(base::View blob) {
  if (on_) return Answer::BadOrdinal;
  auto state = unpack(Part::Permanent, blob);
  if (!state.ok()) return Answer::BadParameter;
  auto engine = tpm::Engine::load(host_, settings(buffer_bytes_), state.value());
  if (!engine.ok()) return Answer::BadParameter;
  if (!host_.commit(state.value())) return Answer::IoError;
  engine_ = std::move(engine).take();
  return Answer::Success;
}

Answer Device::set_volatile(base::View blob) {
  if (on_) return Answer::BadOrdinal;
  auto state = unpack(Part::Volatile, blob);
  if (!state.ok()) return Answer::BadParameter;
  return keep(state.value()) ? Answer::Success : Answer::IoError;
}

}  // namespace socketd
