// SPDX-License-Identifier: MIT
// Backup: the file that an instance is put back from. Signed by the host that made it, encrypted to it and to whoever
// has a recovery key. Documentation/state-format.md has the layout.
#pragma once

#include "backend/vault/papers.h"

namespace vault {

// The key of one file, encrypted to one X25519 key.
struct Wrap {
  HostKey recipient{};
  HostKey ephemeral{};
  wire::SizedBytes envelope;  // Purpose::BackupKey
};
struct Backup {
  PublicIdentity from;
  Uuid uuid{};
  uint64_t time = 0;
  uint64_t epoch = 0;
  uint64_t hop = 0;  // how often the instance had been moved
  wire::Counted<Wrap> wraps;
  wire::SizedBytes state;  // an envelope, Purpose::Backup
};
inline constexpr size_t kMostRecipients = 16;

// `about` without its wraps and state; `whole` is plain. Refuses what is no key.
Result<base::Bytes> write_backup(const Identity& own, Backup about, const std::vector<HostKey>& recovery,
                                 base::View whole);
// Its signature is that of `from`.
Result<Backup> read_backup(base::View file);
// The key of the file, for the host that made it or for whoever has the private half of a recovery key; nothing for
// others.
std::optional<base::Secret<32>> file_key(const Backup& backup, const Identity& own);
std::optional<base::Secret<32>> file_key(const Backup& backup, const base::Secret<32>& recovery);
Result<base::SecretBytes> open_backup(const Backup& backup, const base::Secret<32>& key);

}  // namespace vault
