// SPDX-License-Identifier: MIT
#include "backend/vault/register.h"

namespace vault {

namespace {

constexpr Uuid kNobody{};

// The file's content; Documentation/state-format.md.
struct Line {
  Uuid uuid{};
  uint64_t epoch = 0;
  bool removed = false;
  wire::SizedBytes quarantine;
};
struct Content {
  VaultId vault{};
  wire::Counted<Line> lines;
};

}  // namespace

std::optional<Register> Register::open(base::View envelope, const MasterKey& key) {
  auto version = claimed_epoch(envelope);
  auto plain = version ? unseal(key, kNobody, Purpose::Register, *version, envelope) : std::nullopt;
  if (!plain) return std::nullopt;
  auto content = wire::decode<Content>(*plain);
  if (!content.ok()) return std::nullopt;
  Register read(content.value().vault);
  read.version_ = *version;
  for (const Line& line : content.value().lines.items) {
    base::View why = line.quarantine;
    read.known_[line.uuid] = {line.epoch, line.removed, std::string(why.begin(), why.end())};
  }
  return read;
}

base::Bytes Register::sealed(const MasterKey& key) {
  Content content{.vault = vault_};
  for (const auto& [uuid, known] : known_) {
    content.lines.items.push_back({uuid, known.epoch, known.removed,
                                   wire::SizedBytes(base::Bytes(known.quarantine.begin(), known.quarantine.end()))});
  }
  return seal(key, kNobody, Purpose::Register, ++version_, wire::encode(content));
}

Register::Known* Register::find(const Uuid& uuid) {
  auto at = known_.find(uuid);
  return at == known_.end() ? nullptr : &at->second;
}

}  // namespace vault
