// SPDX-License-Identifier: MIT
#include "backend/vault/peers.h"

namespace vault {

namespace {

constexpr uint8_t kPeersVersion = 1;
constexpr size_t kMostPeers = 1024;

struct PeerList {
  uint8_t version = kPeersVersion;
  wire::Counted<Peer> peers;
};

Refusal refused(std::string text) { return {Refusal::Kind::Conflict, std::move(text)}; }
std::string text_in(const wire::SizedBytes& bytes) { return {bytes.bytes().begin(), bytes.bytes().end()}; }

Result<> keep(Vault& vault, std::vector<Peer> peers) {
  return vault.put_items(kHost, {{Item::Peers, wire::encode(PeerList{.peers = {std::move(peers)}})}});
}

}  // namespace

Result<std::vector<Peer>> peers_of(Vault& vault) {
  base::Bytes item = TRY(vault.item(kHost, Item::Peers));
  if (item.empty()) return std::vector<Peer>();
  auto list = wire::decode<PeerList>(item);
  if (!list.ok() || list.value().version != kPeersVersion) {
    return Refusal{Refusal::Kind::Broken, "the list of known hosts is of an unknown form"};
  }
  return std::move(list.value().peers.items);
}

Result<> forget_peer(Vault& vault, const std::string& name) {
  auto known = TRY(peers_of(vault));
  size_t n = std::erase_if(known, [&](const Peer& peer) { return text_in(peer.name) == name; });
  if (n == 0) return Refusal{Refusal::Kind::Unknown, "no host of that name is known"};
  return keep(vault, std::move(known));
}

Result<> check_peer(Vault& vault, const PublicIdentity& other, const std::string& trusted) {
  std::string name = text_in(other.name), print = fingerprint(other.signing);
  for (const Peer& peer : TRY(peers_of(vault))) {
    if (text_in(peer.name) != name) continue;
    if (peer.key == other.signing) return {};
    return refused("host '" + name + "' has another key than before: known is " + fingerprint(peer.key) +
                   ", this is signed by " + print + ". It is somebody else, or was set up anew: in that case, forget " +
                   "the old key with `vtpmctl peers --forget " + name + "`");
  }
  if (trusted == print) return {};
  return refused("host '" + name + "' is not known yet. Its key's fingerprint is " + print + ": compare it with " +
                 "what `vtpmctl peers` shows there, and say --trust " + print);
}

Result<> trust_peer(Vault& vault, const PublicIdentity& other, const std::string& trusted) {
  TRY(check_peer(vault, other, trusted));
  auto known = TRY(peers_of(vault));
  for (const Peer& peer : known) {
    if (peer.name == other.name) return {};
  }
  if (known.size() >= kMostPeers) return refused("too many hosts are known: forget some with `vtpmctl peers --forget`");
  known.push_back({other.name, other.signing});
  return keep(vault, std::move(known));
}

}  // namespace vault
