// SPDX-License-Identifier: MIT
// Structures of key migration (Part 2, 5.12, 5.15-5.17, 5.20-5.21, 10.8).
#pragma once

#include "engine/spec/key_structures.h"

namespace tpm {

enum class MigrateScheme : uint16_t { Migrate = 1, Rewrap = 2, Maint = 3, RestrictMigrate = 4, RestrictApprove = 5 };

struct MigrationKeyAuth {
  PubKey migration_key;
  MigrateScheme scheme{};
  Digest digest{};  // over both and tpmProof: the owner has approved them
};

// What is left of a TPM_STORE_ASYMKEY when the first 20 bytes of its private key are the seed of an OAEP encoding.
struct MigrateAsymKey {
  Payload payload = Payload::Migrate;
  Secret usage_auth;
  Digest pub_data_digest{};
  wire::SizedBytes part_priv_key;  // wiped by its allocator
};

// TPM_MSA_COMPOSITE: digests of the public keys of migration authorities, one at least.
using MsaComposite = wire::Counted<Digest>;

struct CmkAuth {
  Digest migration_authority{};
  Digest destination_key{};
  Digest source_key{};
};

struct CmkSigTicket {
  StructureTag tag = StructureTag::CmkSigTicket;
  Digest ver_key_digest{};
  Digest signed_data{};
};

struct CmkMaApproval {
  StructureTag tag = StructureTag::CmkMaApproval;
  Digest migration_authority_digest{};
};

// TPM_CMK_DELEGATE: the usages of certified migratable keys that delegated sessions may make use of.
inline constexpr uint32_t kCmkDelegateSigning = 0x80000000;
inline constexpr uint32_t kCmkDelegateStorage = 0x40000000;
inline constexpr uint32_t kCmkDelegateBind = 0x20000000;
inline constexpr uint32_t kCmkDelegateLegacy = 0x10000000;
inline constexpr uint32_t kCmkDelegateMigrate = 0x08000000;

}  // namespace tpm
