// SPDX-License-Identifier: MIT
#include "backend/vault/backup.h"

#include <openssl/rand.h>

#include <algorithm>

#include "lib/base/verify.h"

namespace vault {

namespace {

constexpr std::array<uint8_t, 8> kMagic = {'V', 'T', 'P', 'M', 'B', 'K', 'U', 'P'};
constexpr uint8_t kVersion = 1;

// A file: what is signed, and the signature.
struct Signed {
  std::array<uint8_t, 8> magic = kMagic;
  uint8_t version = kVersion;
  wire::SizedBytes body;
};
struct File {
  Signed content;
  std::array<uint8_t, 64> signature{};
};

Refusal refused(std::string text) { return {Refusal::Kind::Conflict, "the backup cannot be used: " + std::move(text)}; }

// Bound to the instance and to both ends of the agreement.
base::Secret<32> wrapping_key(const base::Secret<32>& agreed, const Backup& backup, const Wrap& wrap) {
  base::Bytes bound = base::copy_of(backup.uuid);
  base::append(bound, wrap.ephemeral);
  base::append(bound, wrap.recipient);
  return derive(agreed, bound, "vtpm backup");
}

std::optional<Wrap> wrapped(const Backup& backup, const base::Secret<32>& key, const HostKey& recipient) {
  auto agreement = agree_once(recipient);
  if (!agreement) return std::nullopt;
  Wrap wrap{recipient, agreement->ephemeral, {}};
  wrap.envelope = wire::SizedBytes(
      seal(wrapping_key(agreement->secret, backup, wrap), backup.uuid, Purpose::BackupKey, backup.epoch, key.reveal()));
  return wrap;
}

template <class Agree>
std::optional<base::Secret<32>> unwrapped(const Backup& backup, const HostKey& recipient, const Agree& agree) {
  for (const Wrap& wrap : backup.wraps.items) {
    if (wrap.recipient != recipient) continue;
    std::optional<base::Secret<32>> agreed = agree(wrap.ephemeral);
    auto plain = agreed ? unseal(wrapping_key(*agreed, backup, wrap), backup.uuid, Purpose::BackupKey, backup.epoch,
                                 wrap.envelope)
                        : std::nullopt;
    base::Secret<32> key;
    if (!plain || plain->size() != key.kSize) continue;
    std::copy(plain->begin(), plain->end(), key.fill().begin());
    return key;
  }
  return std::nullopt;
}

}  // namespace

Result<base::Bytes> write_backup(const Identity& own, Backup about, const std::vector<HostKey>& recovery,
                                 base::View whole) {
  about.from = own.shown();
  base::Secret<32> key;
  VERIFY(RAND_priv_bytes(key.fill().data(), static_cast<int>(key.kSize)) == 1);
  about.state = wire::SizedBytes(seal(key, about.uuid, Purpose::Backup, about.epoch, whole));
  std::vector<HostKey> recipients = recovery;
  recipients.push_back(own.shown().agreeing);
  for (const HostKey& recipient : recipients) {
    auto wrap = wrapped(about, key, recipient);
    if (!wrap) return Refusal{Refusal::Kind::Conflict, "a recovery key is none: it has to be a public key of X25519"};
    about.wraps.items.push_back(std::move(*wrap));
  }
  File file{.content = {.body = wire::SizedBytes(wire::encode(about))}};
  file.signature = own.sign(wire::encode(file.content));
  base::Bytes bytes = wire::encode(file);
  if (bytes.size() > kLargestPaper) {
    return Refusal{Refusal::Kind::Conflict, "the instance's state is too large for a backup"};
  }
  return bytes;
}

Result<Backup> read_backup(base::View file) {
  if (file.size() <= kMagic.size() || !std::equal(kMagic.begin(), kMagic.end(), file.begin())) {
    return refused("it is no backup of an instance");
  }
  if (uint8_t version = file[kMagic.size()]; version != kVersion) {
    return refused("its format is version " + std::to_string(version) + ", and this program knows version " +
                   std::to_string(kVersion) + " alone");
  }
  auto read = file.size() <= kLargestPaper ? wire::decode<File>(file) : wire::Result<File>(wire::Malformed{});
  auto backup = read.ok() ? wire::decode<Backup>(read.value().content.body) : wire::Result<Backup>(wire::Malformed{});
  if (!backup.ok() || backup.value().wraps.items.size() > kMostRecipients || !proper(backup.value().from)) {
    return refused("it is not whole");
  }
  if (!verified(backup.value().from.signing, wire::encode(read.value().content), read.value().signature)) {
    return refused("its signature is wrong: it is damaged or forged");
  }
  return std::move(backup).take();
}

std::optional<base::Secret<32>> file_key(const Backup& backup, const Identity& own) {
  return unwrapped(backup, own.shown().agreeing, [&](const HostKey& other) { return own.agree(other); });
}

std::optional<base::Secret<32>> file_key(const Backup& backup, const base::Secret<32>& recovery) {
  return unwrapped(backup, agreeing_half(recovery), [&](const HostKey& other) { return agree(recovery, other); });
}

Result<base::SecretBytes> open_backup(const Backup& backup, const base::Secret<32>& key) {
  auto plain = unseal(key, backup.uuid, Purpose::Backup, backup.epoch, backup.state);
  if (!plain) return refused("the key given does not open it");
  return base::SecretBytes(std::move(*plain));
}

}  // namespace vault
