// SPDX-License-Identifier: MIT
// The inner wrapping of a private key that leaves its TPM (Part 3, 11.1, 11.9 and 12.1).
#pragma once

#include "engine/spec/migration_structures.h"
#include "engine/state/tpm.h"

namespace tpm {

// o1: the OAEP encoding whose seed is the first 20 bytes of the private key. BadMigration for a key shorter than that.
Result<Bytes> wrap_inner(const StoreAsymKey& key, Payload payload, const Secret& label_hash);
// Undoes it: the payload is the wrapped one's, migration_auth the label hash. DecryptError, InvalidStructure.
Result<StoreAsymKey> unwrap_inner(View encoded);

// a ^ b of equally long bytes.
Bytes exclusive_or(View a, View b);

// The key of a public structure that came from outside; BadKeyProperty when this TPM cannot use it.
Result<std::shared_ptr<const crypto::RsaKey>> public_rsa(const PubKey& key);
// OAEP under it. InappropriateEnc when the key is for something else; BadDataSize.
Result<wire::SizedBytes> encrypt_for(const PubKey& key, View plain);

struct Migrating {
  wire::SizedBytes random;
  wire::SizedBytes blob;
};
// o1 under a one-time pad under the destination's key (11.1, 6; 11.9, 11-17).
Result<Migrating> migrate(const Tpm& tpm, const StoreAsymKey& key, Payload payload, const Secret& label_hash,
                          const PubKey& to);
// The way back with the parent that now holds the key (11.2, 3-7; 11.10, 3-8).
Result<StoreAsymKey> arrive(const Key& parent, View blob, View random);

}  // namespace tpm
