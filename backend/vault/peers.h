// SPDX-License-Identifier: MIT
// Peers: the keys that this host knows others by.
#pragma once

#include "backend/vault/papers.h"

namespace vault {

struct Peer {
  wire::SizedBytes name;
  HostKey key{};
};

Result<std::vector<Peer>> peers_of(Vault& vault);
Result<> forget_peer(Vault& vault, const std::string& name);
// The first key of a name is believed when `trusted` is its fingerprint, and kept; then only that.
Result<> trust_peer(Vault& vault, const PublicIdentity& other, const std::string& trusted);
// The same, and nothing is kept.
Result<> check_peer(Vault& vault, const PublicIdentity& other, const std::string& trusted);

}  // namespace vault
