// SPDX-License-Identifier: MIT
// Passage: where an instance stands that moves between hosts, as rules over what is durable. Pure: nothing here writes.
// Of all hosts together at most one may run an instance; the token is given only after the source has given it up for
// ever, and only the token makes the copy at the destination runnable, or an administrator's word that the source is
// lost.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "backend/vault/refusal.h"
#include "lib/wire/sized.h"

namespace vault {

using HostKey = std::array<uint8_t, 32>;  // Ed25519, public
using Nonce = std::array<uint8_t, 16>;

// What every paper of one transfer says.
struct Transfer {
  Uuid uuid{};
  Nonce id{};          // of this attempt: one that was aborted does not come back
  uint64_t hop = 0;    // counts the transfers of the instance, over all hosts
  uint64_t epoch = 0;  // of the permanent state
  Nonce invitation{};
  HostKey source{};
  HostKey destination{};
  bool operator==(const Transfer&) const = default;
};

enum class Custody : uint8_t {
  Stayed = 1,     // an export of it was aborted; it runs here
  Leaving = 2,    // exported: locked, until a receipt or an abort
  Gone = 3,       // the tombstone: the token may have been given, and is given again
  Arrived = 4,    // a copy that may not run before the token has come
  Come = 5,       // it runs here, since the token
  Elsewhere = 6,  // a copy that had arrived was discarded: its source has kept it
  Restored = 7,   // it runs here: an administrator says that the host that had it is lost
};
constexpr bool runnable(Custody custody) {
  return custody == Custody::Stayed || custody == Custody::Come || custody == Custody::Restored;
}
// Whether a state is stored with it.
constexpr bool stored(Custody custody) { return custody != Custody::Gone && custody != Custody::Elsewhere; }

struct Passage {
  Custody custody{};
  Transfer transfer;
  uint64_t time = 0;       // seconds since 1970
  wire::SizedBytes other;  // the other host's name, text; none before a copy that arrives is stored as a whole
};
// Of one that is Restored: from a copy that had arrived. From a backup otherwise, which no invitation asked for.
inline bool inherited(const Passage& passage) {
  return passage.custody == Custody::Restored && passage.transfer.invitation != Nonce{};
}

struct Invitation {
  Nonce nonce{};
  Uuid uuid{};  // zero: for any
  uint64_t time = 0;
};

struct Ledger {
  std::map<Uuid, Passage> passages;
  std::vector<Invitation> invitations;  // not used yet

  const Passage* find(const Uuid& uuid) const;
  // It is to come from another host: whatever asks for it waits, and none is made anew.
  bool awaited(const Uuid& uuid) const;
};
inline constexpr size_t kMostInvitations = 256;

// Each changes the ledger, or refuses and leaves it. What has been done already is done again with the same result.
// `present`: the register knows the uuid.

// At the destination.
Result<> invite(Ledger& ledger, const Invitation& invitation, bool present);
enum class Arrival { Store, Running };
// Store: the copy has to be stored, in the place of any other, before a receipt may be given.
Result<Arrival> arrive(Ledger& ledger, const Transfer& transfer, const HostKey& own, bool present, uint64_t now);
Result<> come(Ledger& ledger, const Transfer& token);
Result<> discard(Ledger& ledger, const Transfer& notice);
// An administrator says that the source of the copy is lost for good: it runs without its token. False: as was said
// before.
Result<bool> inherit(Ledger& ledger, const Uuid& uuid, bool present);

// At the source.
struct Departure {
  Uuid uuid{};
  uint64_t epoch = 0;
  Nonce invitation{};
  HostKey source{}, destination{};
};
Result<Transfer> depart(Ledger& ledger, const Departure& departure, const Nonce& fresh_id, uint64_t now);
// Given up for ever: the token may be given when this is durable.
Result<> leave(Ledger& ledger, const Transfer& receipt);
// The transfer that was aborted.
Result<Transfer> stay(Ledger& ledger, const Uuid& uuid);

// What a host keeps durably.
class Holdings {
 public:
  virtual ~Holdings() = default;
  virtual const Ledger& ledger() const = 0;
  // Durable when this returns; all of it or nothing.
  virtual Result<> set_ledger(const Ledger& ledger) = 0;
  // Of an instance that has gone: its state, if it is still there.
  virtual Result<> drop_state(const Uuid& uuid) = 0;
};

// The order of the writes; the rules above in between. What comes back may be told to the other host.

// The ledger first: a state that nobody knows would be taken for an instance of this host.
template <class Store>
Result<> receive(Holdings& holdings, const Transfer& transfer, const HostKey& own, bool present, uint64_t now,
                 const Store& store) {
  Ledger ledger = holdings.ledger();
  Arrival arrival = TRY(arrive(ledger, transfer, own, present, now));
  if (arrival == Arrival::Running) return {};
  TRY(holdings.set_ledger(ledger));
  return store();
}
// The tombstone first: a state that is left over is deleted when the vault is opened.
Result<> give_up(Holdings& holdings, const Transfer& receipt);
Result<> throw_away(Holdings& holdings, const Transfer& notice);

}  // namespace vault
