// SPDX-License-Identifier: MIT
// Whom a session must prove to know the secret of, and what a delegation allows (Part 1, 18 and 22).
#pragma once

#include "engine/dispatch/command.h"
#include "engine/state/tpm.h"

namespace tpm {

struct Entity {
  EntityType type{};
  Secret secret;
  Digest digest{};  // what an OSAP session for it was opened with

  static Entity of(const Key& key) { return {EntityType::KeyHandle, key.secret.usage_auth, key.public_digest()}; }
  static Entity of(const KeyHandle& handle) {
    Entity entity = of(*handle);
    if (handle.value == kSrkHandle) entity.type = EntityType::Srk;
    return entity;
  }
  static Entity owner(const Tpm& tpm) {
    return {EntityType::Owner, tpm.ownership->owner_auth, tpm.ownership->owner_digest()};
  }
  static Entity of(const Counter& counter) { return {EntityType::Counter, counter.auth, counter.digest()}; }
  static Entity of(const NvArea& area) { return {EntityType::Nv, area.auth, area.digest()}; }
  // A secret no session can be opened for beforehand: OIAP only.
  static Entity bare(const Secret& secret, EntityType type = EntityType::Data) { return {type, secret, {}}; }
};

// Whether the delegation lets its holder execute the command for the entity: AuthFail. Whether the TPM is in the state
// that it names: WrongPcrVal, BadLocality.
Result<> check_delegation(const Tpm& tpm, const CommandRow& row, uint8_t locality, const DelegatePublic& delegation,
                          EntityType entity);

// The row of the delegation table that ownerReference points at; null when it points at the owner.
Result<const DelegateRow*> owners_stand_in(const Tpm& tpm);

}  // namespace tpm
