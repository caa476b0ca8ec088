// SPDX-License-Identifier: MIT
#include "engine/engine.h"

#include "engine/commands/version.h"
#include "engine/dispatch/dispatcher.h"
#include "engine/dispatch/launch.h"
#include "engine/spec/features.h"
#include "engine/state/endorsement_certificate.h"
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

// In a draft. False: there is no room.
bool add_certificate(Tpm& tpm, View certificate) {
  NvArea area = certificate_area(certificate);
  if (certificate.size() > Nv::kQuotaBytes || !tpm.nv->holds(area)) return false;
  tpm.nv.edit().areas.items.push_back(std::move(area));
  return true;
}

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
    Bytes certificate = factory.certify ? factory.certify(tpm->endorsement->key.blob.pub_key) : Bytes();
    if (!certificate.empty() && !add_certificate(*tpm, certificate)) return nullptr;
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

bool Engine::hash_start() { return launch::start(*tpm_); }
bool Engine::hash_data(base::View data) { return launch::data(*tpm_, data); }
bool Engine::hash_end() { return launch::end(*tpm_); }

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

Bytes Engine::endorsement_modulus() const {
  const Key& key = tpm_->endorsement->key;
  return key.present() ? key.blob.pub_key.bytes() : Bytes();
}

bool Engine::has_endorsement_certificate() const { return tpm_->nv->find(kNvIndexEndorsementCertificate) != nullptr; }

bool Engine::store_endorsement_certificate(base::View certificate) {
  return !has_endorsement_certificate() && add_certificate(*tpm_, certificate) && tpm_->commit().ok();
}

bool Engine::renew_endorsement_key(const Factory& factory) {
  if (!tpm_->endorsement->key.present()) return false;
  auto key = make_endorsement_key(*tpm_, factory.key_bits);
  if (!key.ok()) return false;
  Bytes certificate = factory.certify ? factory.certify(key.value().blob.pub_key) : Bytes();
  tpm_->endorsement.edit().key = std::move(key).take();
  tpm_->make_daa_secrets();
  tpm_->nv.edit().remove(kNvIndexEndorsementCertificate);
  if ((certificate.empty() || add_certificate(*tpm_, certificate)) && tpm_->commit().ok()) return true;
  tpm_->abort();
  return false;
}

bool Engine::established() const { return tpm_->flags->tpm_established; }

Make Engine::make() {
  CapVersionInfo info = version_info();
  return {.level = info.spec_level,
          .errata = info.errata_rev,
          .vendor = info.vendor,
          .major = static_cast<uint8_t>(info.version >> 8),
          .minor = static_cast<uint8_t>(info.version)};
}

uint64_t Engine::commits() const { return tpm_->commits; }

}  // namespace tpm
