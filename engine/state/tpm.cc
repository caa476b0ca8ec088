// SPDX-License-Identifier: MIT
#include "engine/state/tpm.h"

#include "engine/crypto/hash.h"
#include "engine/spec/features.h"
#include "engine/spec/migration_structures.h"
#include "engine/state/snapshot.h"

namespace tpm {

Digest Ownership::owner_digest() const { return crypto::sha1_of(owner_auth); }

bool Tpm::permanent_drafted() const {
  bool any = false;
  each_permanent(*this, [&any](uint16_t, uint16_t, const auto& section) { any |= section.drafted(); });
  return any;
}

bool Tpm::volatile_drafted() const {
  bool any = false;
  each_volatile(*this, [&any](uint16_t, uint16_t, const auto& section) { any |= section.drafted(); });
  return any;
}

Result<> Tpm::commit() {
  if (permanent_drafted()) {
    if (!platform.commit(save_permanent(*this))) {
      abort();
      return Rc::Fail;
    }
    commits++;
    each_permanent(*this, [](uint16_t, uint16_t, auto& section) { section.commit(); });
  }
  if (volatile_drafted()) {
    journal_drafts(*this);
    each_volatile(*this, [](uint16_t, uint16_t, auto& section) { section.commit(); });
  }
  return {};
}

void Tpm::abort() {
  each_permanent(*this, [](uint16_t, uint16_t, auto& section) { section.abort(); });
  each_volatile(*this, [](uint16_t, uint16_t, auto& section) { section.abort(); });
}

Result<const Key*> Tpm::find_key(uint32_t handle, Use use, uint8_t locality) const {
  const Key* key = nullptr;
  switch (handle) {
    case kSrkHandle:
      TRY(require(owned(), Rc::KeyNotFound));
      key = &ownership->srk;
      break;
    case kEkHandle:
      TRY(require(use.allow_ek && endorsement->key.present(), Rc::KeyNotFound));
      key = &endorsement->key;
      break;
    case kOwnerHandle:
    case kRevokeHandle:
    case kTransportHandle:
    case kOperatorHandle:
    case kAdminHandle:
      return Rc::InvalidResource;
    default: {
      const KeySlots::Slot* slot = keys->slot(handle);
      TRY(require(slot != nullptr, Rc::InvalidKeyHandle));
      key = &slot->key;
    }
  }
  bool pcrs_matter = !use.ignore_pcrs && !(use.public_only && key->blob.has_flag(kPcrIgnoredOnRead));
  if (pcrs_matter) TRY(key->check_pcrs(*pcrs, locality));
  return key;
}

Result<> Tpm::check_delegated_use(const KeyBlob& key) const {
  if (!key.has_flag(kMigrateAuthority)) return {};
  uint32_t bit = 0;
  switch (key.usage) {
    case KeyUsage::Signing:
      bit = kCmkDelegateSigning;
      break;
    case KeyUsage::Storage:
      bit = kCmkDelegateStorage;
      break;
    case KeyUsage::Bind:
      bit = kCmkDelegateBind;
      break;
    case KeyUsage::Legacy:
      bit = kCmkDelegateLegacy;
      break;
    case KeyUsage::Migrate:
      bit = kCmkDelegateMigrate;
      break;
    default:
      break;
  }
  return require((transfer->restrict_delegate & bit) != 0, Rc::InvalidKeyUsage);
}

CurrentTicks Tpm::ticks() const {
  const StAny& any = *stany;
  return {.ticks = any.ticks_us + (platform.now_us() - any.ticks_since_us), .nonce = any.tick_nonce};
}

void Tpm::init() {
  abort();
  stclear.reset({});
  StAny any;
  any.ticks_since_us = platform.now_us();
  any.tick_nonce = nonce();
  any.context_nonce_session = nonce();
  stany.reset(any);
  pcrs.reset(Pcrs::at_startup());
  sessions.reset({});
  KeySlots slots = *keys;
  slots.clear_volatile();
  keys.reset(std::move(slots));
  sha1.reset({});
  audit_digest.reset({});
  nv_locks.reset({});
  active_counter.reset({});
  daa.reset({});
}

void Tpm::make_daa_secrets() {
  DaaSecrets& secrets = daa_secrets.edit();
  random(secrets.tpm_seed.fill());
  random(secrets.proof.fill());
  random(secrets.blob_key.fill());
}

void Tpm::clear_owner(bool makers_nv_too) {
  // Part 3, 6.2, actions 4-14; keys under owner control go with the owner.
  keys.edit() = KeySlots{};
  sessions.edit().end_all();
  daa.edit() = {};

  Ownership& own = ownership.edit();
  own = Ownership{};
  random(own.tpm_proof.fill());
  if (transfer->restrict_delegate != 0) transfer.edit().restrict_delegate = 0;

  nv.edit().clear_owner(makers_nv_too);
  counters.edit().counters.items.clear();
  active_counter.edit() = {};
  audit.edit().choices.items.clear();

  PermanentFlags& f = flags.edit();
  f.disable_owner_clear = false;
  f.operator_set = false;
  f.read_pubek = true;
  f.disable = true;
  f.deactivated = true;
  f.maintenance_done = false;
  f.allow_maintenance = kMaintenance;
  f.disable_full_da_logic_info = false;
  f.read_srk_pub = false;
  f.ownership = true;
  StClear& clear = stclear.edit();
  clear.owner_reference = kOwnerHandle;
  random(clear.context_nonce_key);
  stany.edit().context_nonce_session = nonce();
}

}  // namespace tpm
