// SPDX-License-Identifier: MIT
#include "engine/state/context_blob.h"

#include <algorithm>

#include "engine/state/private_blob.h"

namespace tpm {

namespace {

// What an OSAP or DSAP session for the entity has as entity_digest, when there is such an entity.
std::optional<Digest> digest_of_entity(const Tpm& tpm, EntityType type, uint32_t handle, uint8_t locality) {
  constexpr Use kAnyState{.public_only = true, .ignore_pcrs = true};
  switch (type) {
    case EntityType::KeyHandle: {
      auto key = tpm.find_key(handle, kAnyState, locality);
      if (!key.ok()) return std::nullopt;
      return key.value()->public_digest();
    }
    case EntityType::Owner:
      return tpm.ownership->owner_digest();
    case EntityType::Srk:
      return tpm.ownership->srk.public_digest();
    case EntityType::Nv: {
      const NvArea* area = tpm.nv->find(handle);
      if (area == nullptr) return std::nullopt;
      return area->digest();
    }
    default:
      return std::nullopt;
  }
}

bool key_present(const Tpm& tpm, const Digest& digest) {
  if (tpm.owned() && tpm.ownership->srk.public_digest() == digest) return true;
  return std::ranges::any_of(tpm.keys->all(),
                             [&](const KeySlots::Slot& slot) { return slot.key.public_digest() == digest; });
}

template <class Table>
Result<uint32_t> restore_into(Table& table, const auto& resource) {
  auto& slot = *TRY(table.open(resource.handle));
  uint32_t handle = slot.handle;
  slot = resource;
  slot.handle = handle;
  return handle;
}

}  // namespace

ContextBlob close_context(const Tpm& tpm, ContextBlob blob, const Nonce& nonce, View internal) {
  const Secret& proof = tpm.ownership->tpm_proof;
  blob.sensitive =
      wire::SizedBytes(wire::encode(ContextSensitive{.nonce = nonce, .internal = wire::SizedBytes(internal)}));
  std::array<uint8_t, 16> iv{};
  tpm.random(iv);
  blob.additional = wire::SizedBytes(View(iv));
  blob.integrity = integrity_of(proof, blob);
  crypt_blob(proof, BlobUse::Context, iv, blob.sensitive.bytes());
  return blob;
}

Result<ContextSensitive> open_context(const Tpm& tpm, const ContextBlob& blob) {
  const Secret& proof = tpm.ownership->tpm_proof;
  TRY(require(blob.tag == StructureTag::ContextBlob && blob.additional.size() == 16, Rc::BadContext));
  ContextBlob opened = blob;
  crypt_blob(proof, BlobUse::Context, blob.additional.view().first<16>(), opened.sensitive.bytes());
  TRY(require(intact(proof, opened), Rc::BadContext));
  return opened.sensitive.as<ContextSensitive>(Rc::BadContext);
}

Result<> check_entity_present(const Tpm& tpm, const Session& session, uint32_t handle, uint8_t locality) {
  if (session.protocol == ProtocolId::Oiap) return {};
  if (session.entity_type == EntityType::KeyHandle) {
    TRY(require(key_present(tpm, session.entity_digest), Rc::ResourceMissing));
    return require(digest_of_entity(tpm, session.entity_type, handle, locality) == session.entity_digest,
                   Rc::BadHandle);
  }
  return require(digest_of_entity(tpm, session.entity_type, handle, locality) == session.entity_digest,
                 Rc::ResourceMissing);
}

Result<> check_entity_present(const Tpm& tpm, const Session& session) {
  if (session.protocol == ProtocolId::Oiap) return {};
  if (session.entity_type == EntityType::KeyHandle) {
    return require(key_present(tpm, session.entity_digest), Rc::ResourceMissing);
  }
  bool known_then = session.entity_type == EntityType::Owner || session.entity_type == EntityType::Srk;
  TRY(require(known_then, Rc::WrongEntityType));  // version 1.1 had no other entities
  return check_entity_present(tpm, session, 0, 0);
}

Result<uint32_t> restore(Tpm& tpm, const Session& session) { return restore_into(tpm.sessions.edit(), session); }
Result<uint32_t> restore(Tpm& tpm, const Transport& transport) {
  return restore_into(tpm.transports.edit(), transport);
}

}  // namespace tpm
