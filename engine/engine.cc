// SPDX-License-Identifier: MIT
#include "engine/engine.h"

#include "engine/dispatch/dispatcher.h"
#include "engine/spec/features.h"
#include "engine/state/make_key.h"
#include "engine/state/snapshot.h"
#include "engine/state/tpm.h"

namespace tpm {

namespace {

struct StartupCommand {
  Tag tag = Tag::Request;
  uint32_t size = 12;
  uint32_t ordinal = 0x99;
  StartupType type = StartupType::Clear;
};

// Journals the whole volatile state, not only what a command changed.
void journal_everything(Tpm& tpm) {
  each_volatile(tpm, [](uint16_t, uint16_t, auto& section) { section.edit(); });
  static_cast<void>(tpm.commit());  // nothing permanent is in it: it cannot fail
}

}  // namespace

Engine::Engine(std::unique_ptr<Tpm> tpm) : tpm_(std::move(tpm)) {}
Engine::~Engine() = default;

std::unique_ptr<Engine> Engine::manufacture(Platform& platform, const Settings& settings, const Factory& factory) {
  auto tpm = std::make_unique<Tpm>(platform, settings);
  PermanentFlags& flags = tpm->flags.edit();
  flags.disable = !factory.enabled;
  flags.deactivated = !factory.activated;
  flags.allow_maintenance = kMaintenance;
  tpm->random(tpm->ownership.edit().tpm_proof.fill());
  if (factory.endorsement_key) {
    auto key = make_endorsement_key(*tpm, factory.key_bits);
    if (!key.ok()) return nullptr;
    tpm->endorsement.edit().key = std::move(key).take();
    tpm->make_daa_secrets();
    flags.nv_locked = true;
  }
  if (!tpm->commit().ok()) return nullptr;
  return std::unique_ptr<Engine>(new Engine(std::move(tpm)));
}

base::Result<std::unique_ptr<Engine>, StateError> Engine::load(Platform& platform, const Settings& settings,
                                                               base::View permanent) {
  auto tpm = std::make_unique<Tpm>(platform, settings);
  TRY(load_permanent(*tpm, permanent));
  return std::unique_ptr<Engine>(new Engine(std::move(tpm)));
}

void Engine::power_on() {
  tpm_->init();
  journal_everything(*tpm_);
}

bool Engine::startup(bool deactivated) {
  base::Bytes command =
      wire::encode(StartupCommand{.type = deactivated ? StartupType::Deactivated : StartupType::Clear});
  std::array<uint8_t, 16> answer{};
  dispatch(*tpm_, 0, base::ForeignBytes::read_only(command), base::ForeignBytes(answer));
  return !tpm_->stany->failed && !tpm_->stany->post_initialise;
}

base::Result<void, StateError> Engine::resume(base::View volatile_state) {
  TRY(load_volatile(*tpm_, volatile_state));
  StAny any = *tpm_->stany;
  any.ticks_since_us = tpm_->platform.now_us();
  tpm_->stany.reset(any);
  journal_everything(*tpm_);
  return {};
}

void Engine::fail() {
  tpm_->init();
  StAny& any = tpm_->stany.edit();
  any.failed = true;
  any.post_initialise = false;
  journal_everything(*tpm_);
}

size_t Engine::execute(uint8_t locality, base::ForeignBytes command, base::ForeignBytes response) {
  return dispatch(*tpm_, locality, command, response);
}

base::Bytes Engine::save_permanent() const { return tpm::save_permanent(*tpm_); }

base::Bytes Engine::save_volatile() const {
  // The ticks of this moment; the clock of whoever goes on starts elsewhere.
  Tpm copy = *tpm_;
  StAny any = *copy.stany;
  any.ticks_us = copy.ticks().ticks;
  any.ticks_since_us = copy.platform.now_us();
  copy.stany.reset(any);
  return tpm::save_volatile(copy);
}

base::Bytes Engine::volatile_from(std::span<const JournalSection> sections) { return tpm::volatile_from(sections); }

uint64_t Engine::commits() const { return tpm_->commits; }

}  // namespace tpm
