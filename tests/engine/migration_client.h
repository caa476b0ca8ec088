// SPDX-License-Identifier: MIT
// The client's side of migration (Part 3, 11): commands, a migration authority outside any TPM, and its own OAEP.
#pragma once

#include "tests/engine/tpm_client.h"

namespace client {

// ---- Outside the TPM ----

// The private operations of a pair of ours.
std::optional<Bytes> open_oaep_tcpa(const RsaPair& pair, const Bytes& cipher);
Bytes sign_sha1(const RsaPair& pair, const Digest& digest);

// An OAEP encoding without RSA (PKCS#1, 7.1.1, but with a seed and a label hash of one's own).
struct Oaep {
  Digest seed{};
  Digest label_hash{};
  Bytes message;
};
Bytes encode_oaep(const Oaep& parts);
std::optional<Oaep> decode_oaep(const Bytes& encoded);
Bytes exclusive_or(const Bytes& a, const Bytes& b);

// TPM_STORE_ASYMKEY.
struct PrivateKey {
  uint8_t payload = 1;
  Digest usage_auth{};
  Digest migration_auth{};
  Digest pub_digest{};
  Bytes prime;
  Bytes encode() const;
  static PrivateKey decode(const Bytes& bytes);
};

inline constexpr uint16_t kMsMigrate = 1, kMsRewrap = 2, kMsMaint = 3, kMsRestrictMigrate = 4, kMsRestrictApprove = 5;
inline constexpr uint8_t kPtAsym = 1, kPtMigrate = 3, kPtMaint = 4, kPtRestricted = 6, kPtExternal = 7,
                         kPtCmkMigrate = 8;

PubKey public_part(const Key& key);
Digest digest_of(const PubKey& key);
// A key of ours as a destination (OAEP, no signatures), or as one that signs.
PubKey destination(const RsaPair& pair);
PubKey verification_key(const RsaPair& pair, uint16_t scheme = kSsSha1);
// TPM_MSA_COMPOSITE.
Bytes msa_composite(const std::vector<Digest>& authorities);
// TPM_CMK_AUTH.
Bytes cmk_auth(const Digest& authority, const Digest& destination, const Digest& source);

// ---- Commands ----

struct Migrating {
  Bytes random;
  Bytes blob;
};

Answer<Bytes> authorize_migration_key(Tpm& tpm, const Digest& owner, uint16_t scheme, const PubKey& key);
Answer<Migrating> create_migration_blob(Tpm& tpm, uint32_t parent, const Digest& parent_auth, uint16_t type,
                                        const Bytes& key_auth, const Bytes& encrypted, const Digest& migration_auth);
Answer<Bytes> convert_migration_blob(Tpm& tpm, uint32_t parent, const Digest& parent_auth, const Migrating& from);
Answer<Bytes> migrate_key(Tpm& tpm, uint32_t authority, const Digest& auth, const PubKey& to, const Bytes& blob);

Reply cmk_set_restrictions(Tpm& tpm, const Digest& owner, uint32_t restriction);
Answer<Digest> cmk_approve_ma(Tpm& tpm, const Digest& owner, const Digest& msa_digest);
Answer<Key> cmk_create_key(Tpm& tpm, uint32_t parent, const Digest& parent_auth, const Key& key, const Digest& auth,
                           const Digest& approval, const Digest& msa_digest);
Answer<Digest> cmk_create_ticket(Tpm& tpm, const Digest& owner, const PubKey& key, const Digest& signed_data,
                                 const Bytes& signature);
struct CmkBlobRequest {
  Bytes key_auth;
  Digest source{};
  Bytes msa_list;
  Bytes restrict_ticket{};
  Bytes sig_ticket{};
  Bytes encrypted;
};
Answer<Migrating> cmk_create_blob(Tpm& tpm, uint32_t parent, const Digest& parent_auth, const CmkBlobRequest& request);
struct CmkArrival {
  Bytes restrict_ticket;
  Digest sig_ticket{};
  Key key;  // with the blob in place of its private half
  Bytes msa_list;
  Bytes random;
};
Answer<Bytes> cmk_convert_migration(Tpm& tpm, uint32_t parent, const Digest& parent_auth, const CmkArrival& arrival);

}  // namespace client
