// SPDX-License-Identifier: MIT
// Delegations as blobs, TPM_DELEGATE_OWNER_BLOB and TPM_DELEGATE_KEY_BLOB: closing, checking and opening them.
#pragma once

#include "engine/state/private_blob.h"
#include "engine/state/tpm.h"

namespace tpm {

// Puts the secret in, encrypted, and makes the blob whole.
template <class Blob>
void close_delegation(const Tpm& tpm, const Secret& auth, Blob& blob) {
  const Secret& proof = tpm.ownership->tpm_proof;
  std::array<uint8_t, 16> iv{};
  tpm.random(iv);
  Bytes inner = wire::encode(DelegateSensitive{.auth = auth});
  crypt_blob(proof, BlobUse::Delegation, iv, inner);
  blob.additional = wire::SizedBytes(View(iv));
  blob.sensitive = wire::SizedBytes(std::move(inner));
  blob.integrity = integrity_of(proof, blob);
}

// The secret in a blob whose integrity was checked; nothing when it holds something else.
template <class Blob>
std::optional<Secret> open_delegation(const Tpm& tpm, const Blob& blob) {
  if (blob.additional.size() != 16) return std::nullopt;
  Bytes inner = blob.sensitive.bytes();
  crypt_blob(tpm.ownership->tpm_proof, BlobUse::Delegation, blob.additional.view().template first<16>(), inner);
  auto sensitive = wire::decode<DelegateSensitive>(inner);
  if (!sensitive.ok() || sensitive.value().tag != StructureTag::DelegateSensitive) return std::nullopt;
  return sensitive.value().auth;
}

// TPM_DELEGATE_PUBLIC and what is in it have their tags, and a PCR selection this TPM can hold.
inline Result<> check_form(const DelegatePublic& pub) {
  bool tagged = pub.tag == StructureTag::DelegatePublic && pub.permissions.tag == StructureTag::Delegations;
  TRY(require(tagged, Rc::InvalidStructure));
  return require(pub.pcr_info.selection.valid() && valid_locality_selection(pub.pcr_info.locality_at_release),
                 Rc::InvalidPcrInfo);
}

// A family that is enabled and whose count the delegation still has: BadIndex, DisabledCmd, FamilyCount.
inline Result<> check_current(const Delegation& tables, const DelegatePublic& pub) {
  const FamilyTableEntry* family = tables.family(pub.family_id);
  TRY(require(family != nullptr, Rc::BadIndex));
  TRY(require(family->has(kFamilyEnabled), Rc::DisabledCmd));
  return require(pub.verification_count == family->verification_count, Rc::FamilyCount);
}

}  // namespace tpm
