// SPDX-License-Identifier: MIT
#include "backend/vault/register.h"

#include <algorithm>

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
// With what moves between hosts. A vault that never had to do with another host keeps the older form.
struct MovingContent {
  Content content;
  wire::Counted<Passage> passages;
  wire::Counted<Invitation> invitations;
};

std::optional<MovingContent> content_in(base::View plain) {
  auto newer = wire::decode<MovingContent>(plain);
  if (newer.ok()) return std::move(newer).take();
  auto older = wire::decode<Content>(plain);
  if (!older.ok()) return std::nullopt;
  return MovingContent{std::move(older).take(), {}, {}};
}

}  // namespace

std::optional<Register> Register::open(base::View envelope, const MasterKey& key) {
  auto version = claimed_epoch(envelope);
  auto plain = version ? unseal(key, kNobody, Purpose::Register, *version, envelope) : std::nullopt;
  if (!plain) return std::nullopt;
  auto content = content_in(*plain);
  if (!content) return std::nullopt;
  Register read(content->content.vault);
  read.version_ = *version;
  for (const Line& line : content->content.lines.items) {
    base::View why = line.quarantine;
    read.known_[line.uuid] = {line.epoch, line.removed, std::string(why.begin(), why.end())};
  }
  for (const Passage& passage : content->passages.items) read.ledger_.passages[passage.transfer.uuid] = passage;
  read.ledger_.invitations = std::move(content->invitations.items);
  return read;
}

base::Bytes Register::sealed(const MasterKey& key) {
  Content content{.vault = vault_};
  for (const auto& [uuid, known] : known_) {
    content.lines.items.push_back({uuid, known.epoch, known.removed,
                                   wire::SizedBytes(base::Bytes(known.quarantine.begin(), known.quarantine.end()))});
  }
  if (ledger_.passages.empty() && ledger_.invitations.empty()) {
    return seal(key, kNobody, Purpose::Register, ++version_, wire::encode(content));
  }
  MovingContent moving{std::move(content), {}, {ledger_.invitations}};
  for (const auto& [uuid, passage] : ledger_.passages) moving.passages.items.push_back(passage);
  return seal(key, kNobody, Purpose::Register, ++version_, wire::encode(moving));
}

// A copy that arrives is no older than its export says: what lies in its place from earlier is not taken for it.
void Register::set_ledger(const Ledger& ledger) {
  ledger_ = ledger;
  for (const auto& [uuid, passage] : ledger_.passages) {
    Known& known = known_[uuid];
    if (passage.custody == Custody::Arrived) known.epoch = std::max(known.epoch, passage.transfer.epoch);
  }
}

Register::Known* Register::find(const Uuid& uuid) {
  auto at = known_.find(uuid);
  return at == known_.end() ? nullptr : &at->second;
}

}  // namespace vault
