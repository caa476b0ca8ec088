// SPDX-License-Identifier: MIT
// Sealed envelopes: AES-256-GCM under a key that HKDF-SHA256 derives from an instance key and a fresh 32-byte salt.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "lib/base/bytes.h"
#include "lib/base/secret.h"

namespace vault {

using InstanceKey = base::Secret<32>;
using Uuid = std::array<uint8_t, 16>;

// HKDF-SHA256.
base::Secret<32> derive(const base::Secret<32>& secret, base::View salt, std::string info);

// What an envelope is for; authenticated, so that one kind cannot be put in another's place.
enum class Purpose : uint8_t {
  Permanent = 1,
  Snapshot = 2,
  Record = 3,
  Register = 4,
  JournalKey = 5,
  Database = 6,
  Spare = 7,
  Item = 8,
  Transfer = 9,
  Backup = 10,
  BackupKey = 11,
};

// Layout: magic "VTPMSEAL" (8), version (1), purpose (1), epoch (8, big-endian), salt (32), nonce (12), ciphertext,
// tag (16).
// The uuid and everything before the nonce are authenticated data.
base::Bytes seal(const InstanceKey& key, const Uuid& uuid, Purpose purpose, uint64_t epoch, base::View plain);

// The plain bytes; nothing when key, uuid, purpose, epoch or any byte is not the one it was sealed with.
std::optional<base::Bytes> unseal(const InstanceKey& key, const Uuid& uuid, Purpose purpose, uint64_t epoch,
                                  base::View envelope);

// The epoch an envelope claims; only unseal() proves it.
std::optional<uint64_t> claimed_epoch(base::View envelope);

}  // namespace vault
