// SPDX-License-Identifier: MIT
// Delegation (Part 2, 20): families, permissions and the blobs they travel in.
#pragma once

#include "engine/spec/pcr_structures.h"
#include "engine/spec/types.h"

namespace tpm {

// TPM_DELEGATE_*: the first permission word of a delegation of the owner.
enum class OwnerPermission : uint32_t {
  None = 0,
  DaaSign = 1u << 0,
  CreateOwnerDelegation = 1u << 1,
  DelegateManage = 1u << 2,
  ReleaseCounterOwner = 1u << 3,
  CreateCounter = 1u << 4,
  UpdateVerification = 1u << 5,
  FieldUpgrade = 1u << 6,
  SetRedirection = 1u << 7,
  DisablePubekRead = 1u << 8,
  OwnerReadPubek = 1u << 9,
  ActivateIdentity = 1u << 10,
  MakeIdentity = 1u << 11,
  SetCapability = 1u << 12,
  OwnerSetDisable = 1u << 13,
  NvDefineSpace = 1u << 14,
  DisableOwnerClear = 1u << 15,
  OwnerClear = 1u << 16,
  ResetLockValue = 1u << 17,
  OwnerReadInternalPub = 1u << 18,
  KillMaintenanceFeature = 1u << 19,
  LoadMaintenanceArchive = 1u << 20,
  CreateMaintenanceArchive = 1u << 21,
  AuthorizeMigrationKey = 1u << 22,
  DaaJoin = 1u << 23,
  LoadOwnerDelegation = 1u << 24,
  NvReadValue = 1u << 25,
  CmkCreateTicket = 1u << 26,
  NvWriteValue = 1u << 27,
  CmkApproveMa = 1u << 28,
  DirWriteAuth = 1u << 29,
  SetOrdinalAuditStatus = 1u << 30,
  KeyControlOwner = 1u << 31,
};

// TPM_KEY_DELEGATE_*: the same for a key.
enum class KeyPermission : uint32_t {
  None = 0,
  LoadKey = 1u << 0,
  Seal = 1u << 1,
  Unseal = 1u << 2,
  Quote = 1u << 3,
  UnBind = 1u << 4,
  GetPubKey = 1u << 5,
  ChangeAuth = 1u << 6,
  CreateKeyDelegation = 1u << 7,
  ConvertMigrationBlob = 1u << 8,
  CreateMigrationBlob = 1u << 9,
  CmkCreateBlob = 1u << 10,
  CreateWrapKey = 1u << 11,
  CertifyKey = 1u << 12,
  CertifyKey2 = 1u << 13,
  Sign = 1u << 14,
  GetAuditDigestSigned = 1u << 15,
  ActivateIdentity = 1u << 16,
  MakeIdentity = 1u << 17,
  Sealx = 1u << 18,
  Quote2 = 1u << 19,
  ReleaseTransportSigned = 1u << 20,
  EstablishTransport = 1u << 21,
  LoadKey2 = 1u << 22,
  MigrateKey = 1u << 23,
  CmkCreateKey = 1u << 24,
  ChangeAuthAsymFinish = 1u << 25,
  ChangeAuthAsymStart = 1u << 26,
  TickStampBlob = 1u << 27,
  CmkConvertMigration = 1u << 28,
};

inline constexpr uint32_t kKeyPermissions = 0x1fffffff;

enum class DelegateType : uint32_t { OwnerBits = 1, KeyBits = 2 };

// TPM_DELEGATIONS.
struct Delegations {
  StructureTag tag = StructureTag::Delegations;
  DelegateType type{};
  uint32_t per1 = 0;  // OwnerPermission or KeyPermission
  uint32_t per2 = 0;  // reserved

  // Part 2, 20.2: reserved bits are zero.
  bool only_defined() const { return per2 == 0 && (type == DelegateType::OwnerBits || (per1 & ~kKeyPermissions) == 0); }
};

struct DelegatePublic {
  StructureTag tag = StructureTag::DelegatePublic;
  uint8_t label = 0;
  PcrInfoShort pcr_info;
  Delegations permissions;
  uint32_t family_id = 0;
  uint32_t verification_count = 0;
};

enum class FamilyOperation : uint32_t { Create = 1, Enable = 2, Admin = 3, Invalidate = 4 };
inline constexpr uint32_t kFamilyEnabled = 1u << 0;
inline constexpr uint32_t kFamilyAdminLock = 1u << 1;

struct FamilyTableEntry {
  StructureTag tag = StructureTag::FamilyTableEntry;
  uint8_t label = 0;
  uint32_t id = 0;
  uint32_t verification_count = 1;
  uint32_t flags = 0;

  bool has(uint32_t flag) const { return (flags & flag) != 0; }
  void set(uint32_t flag, bool on) { flags = on ? flags | flag : flags & ~flag; }
};

struct DelegateSensitive {
  StructureTag tag = StructureTag::DelegateSensitive;
  Secret auth;
};

struct DelegateOwnerBlob {
  StructureTag tag = StructureTag::DelegateOwnerBlob;
  DelegatePublic pub;
  Digest integrity{};
  wire::SizedBytes additional;
  wire::SizedBytes sensitive;
};

struct DelegateKeyBlob {
  StructureTag tag = StructureTag::DelegateKeyBlob;
  DelegatePublic pub;
  Digest integrity{};
  Digest pub_key_digest{};
  wire::SizedBytes additional;
  wire::SizedBytes sensitive;
};

}  // namespace tpm
