// SPDX-License-Identifier: MIT
#include "backend/vault/passage.h"

#include <algorithm>

namespace vault {

namespace {

constexpr Uuid kAny{};

Refusal refused(std::string text) { return {Refusal::Kind::Conflict, std::move(text)}; }

Refusal cannot_leave(const Passage& passage) {
  switch (passage.custody) {
    case Custody::Arrived:
      return refused("it has arrived from another host and waits for that host's token: import the token first");
    case Custody::Gone:
    case Custody::Elsewhere:
      return refused("it is at another host");
    default:
      return refused(
          "it is exported to another invitation already: export it to that one again, or end that with "
          "`vtpmctl export UUID --abort`");
  }
}

Refusal not_inherited(const Passage* passage, bool present) {
  const std::string from_backup = "a backup of it is put back here with `vtpmctl revert UUID FILE --source-lost`";
  if (passage == nullptr && present) return refused("it runs here already, and came from no other host");
  if (passage == nullptr) {
    return refused("nothing of it has arrived here: import its export first; without one, " + from_backup);
  }
  switch (passage->custody) {
    case Custody::Leaving:
      return refused("it is here, locked on its way to another host: `vtpmctl export UUID --abort` keeps it");
    case Custody::Gone:
      return refused("it was moved to another host: when that one is lost, " + from_backup);
    case Custody::Elsewhere:
      return refused("its copy was discarded here, as the move was aborted: when the host that kept it is lost, " +
                     from_backup);
    default:
      return refused("it runs here already, and waits for no token");
  }
}

}  // namespace

const Passage* Ledger::find(const Uuid& uuid) const {
  auto at = passages.find(uuid);
  return at == passages.end() ? nullptr : &at->second;
}

bool Ledger::awaited(const Uuid& uuid) const {
  const Passage* passage = find(uuid);
  if (passage != nullptr && passage->custody == Custody::Arrived) return true;
  return (passage == nullptr || !stored(passage->custody)) &&
         std::any_of(invitations.begin(), invitations.end(), [&](const Invitation& i) { return i.uuid == uuid; });
}

Result<> invite(Ledger& ledger, const Invitation& invitation, bool present) {
  const Passage* passage = ledger.find(invitation.uuid);
  bool here = passage != nullptr ? stored(passage->custody) && passage->custody != Custody::Arrived : present;
  if (invitation.uuid != kAny && here) return Refusal{Refusal::Kind::Exists, "the instance is on this host"};
  if (ledger.invitations.size() >= kMostInvitations) {
    return refused("there are too many invitations that were not used: `vtpmctl invite --withdraw` ends them");
  }
  ledger.invitations.push_back(invitation);
  return {};
}

Result<Arrival> arrive(Ledger& ledger, const Transfer& transfer, const HostKey& own, bool present, uint64_t now) {
  if (transfer.destination != own) return refused("this export is for another host");
  const Passage* passage = ledger.find(transfer.uuid);
  if (passage != nullptr && passage->transfer == transfer) {
    if (passage->custody == Custody::Come) return Arrival::Running;
    if (passage->custody == Custody::Arrived) return Arrival::Store;
    if (passage->custody == Custody::Restored) {
      return refused("this export was imported before, and runs here since its source was said to be lost");
    }
    return refused("this export was imported before, and is over");
  }
  auto used = std::find_if(ledger.invitations.begin(), ledger.invitations.end(), [&](const Invitation& i) {
    return i.nonce == transfer.invitation && (i.uuid == kAny || i.uuid == transfer.uuid);
  });
  if (used == ledger.invitations.end()) {
    return refused(
        "the invitation of this export was used before, was withdrawn, or is for another instance: make a "
        "new one with `vtpmctl invite`");
  }
  if (passage == nullptr && present) {
    return Refusal{Refusal::Kind::Exists, "there is, or was, an instance with this uuid on this host"};
  }
  if (passage != nullptr && stored(passage->custody) && passage->custody != Custody::Arrived) {
    return Refusal{Refusal::Kind::Exists, "the instance is on this host"};
  }
  // Who exports it with a later number has it: the earlier transfer did not come to its end here.
  if (passage != nullptr && transfer.hop <= passage->transfer.hop) {
    return refused("this export is older than what this host knows of the instance");
  }
  ledger.invitations.erase(used);
  ledger.passages[transfer.uuid] = {Custody::Arrived, transfer, now, {}};
  return Arrival::Store;
}

Result<> come(Ledger& ledger, const Transfer& token) {
  auto at = ledger.passages.find(token.uuid);
  if (at == ledger.passages.end() || at->second.transfer != token) {
    return refused("this token is of another transfer than the one that stands here");
  }
  if (at->second.custody == Custody::Come || at->second.custody == Custody::Restored) return {};
  if (at->second.custody != Custody::Arrived) return refused("this token was used, and the instance has gone since");
  at->second.custody = Custody::Come;
  return {};
}

Result<> discard(Ledger& ledger, const Transfer& notice) {
  auto at = ledger.passages.find(notice.uuid);
  if (at == ledger.passages.end() || at->second.transfer != notice) {
    return refused("what was aborted is another transfer than the one that stands here");
  }
  if (at->second.custody == Custody::Elsewhere) return {};
  if (at->second.custody == Custody::Restored) {
    return refused(
        "the source aborted that transfer and kept the instance, and the copy runs here since that host was said to be "
        "lost. When it is not, there are two of the instance: end one of them, with `vtpmctl delete UUID` on its host");
  }
  if (at->second.custody != Custody::Arrived) return refused("that transfer is over");
  at->second.custody = Custody::Elsewhere;
  return {};
}

Result<bool> inherit(Ledger& ledger, const Uuid& uuid, bool present) {
  auto at = ledger.passages.find(uuid);
  if (at == ledger.passages.end()) return not_inherited(nullptr, present);
  Passage& passage = at->second;
  if (inherited(passage)) return false;
  if (passage.custody != Custody::Arrived) return not_inherited(&passage, present);
  passage.custody = Custody::Restored;
  return true;
}

Result<Transfer> depart(Ledger& ledger, const Departure& departure, const Nonce& fresh_id, uint64_t now) {
  if (departure.source == departure.destination) return refused("the invitation is this host's own");
  const Passage* passage = ledger.find(departure.uuid);
  uint64_t hop = passage == nullptr ? 0 : passage->transfer.hop;
  if (passage != nullptr && !runnable(passage->custody)) {
    bool again = passage->custody == Custody::Leaving && passage->transfer.invitation == departure.invitation &&
                 passage->transfer.destination == departure.destination;
    if (again) return passage->transfer;
    return cannot_leave(*passage);
  }
  Transfer transfer{departure.uuid,       fresh_id, hop + 1, departure.epoch, departure.invitation, departure.source,
                    departure.destination};
  ledger.passages[departure.uuid] = {Custody::Leaving, transfer, now, {}};
  return transfer;
}

Result<> leave(Ledger& ledger, const Transfer& receipt) {
  auto at = ledger.passages.find(receipt.uuid);
  if (at == ledger.passages.end() || at->second.transfer != receipt) {
    return refused("this receipt is of another transfer: of one that was aborted, or of another instance");
  }
  if (at->second.custody == Custody::Gone) return {};
  if (at->second.custody != Custody::Leaving) return refused("that transfer was aborted: export the instance anew");
  at->second.custody = Custody::Gone;
  return {};
}

Result<Transfer> stay(Ledger& ledger, const Uuid& uuid) {
  auto at = ledger.passages.find(uuid);
  if (at == ledger.passages.end()) return refused("it is not exported");
  Passage& passage = at->second;
  if (passage.custody == Custody::Gone) {
    return refused(
        "its token may have been given: it is at the other host, or will be when that has the token; "
        "`vtpmctl release` gives the token again");
  }
  if (passage.custody != Custody::Leaving && passage.custody != Custody::Stayed) return refused("it is not exported");
  passage.custody = Custody::Stayed;
  return passage.transfer;
}

Result<> give_up(Holdings& holdings, const Transfer& receipt) {
  Ledger ledger = holdings.ledger();
  TRY(leave(ledger, receipt));
  TRY(holdings.set_ledger(ledger));
  return holdings.drop_state(receipt.uuid);
}

Result<> throw_away(Holdings& holdings, const Transfer& notice) {
  Ledger ledger = holdings.ledger();
  TRY(discard(ledger, notice));
  TRY(holdings.set_ledger(ledger));
  return holdings.drop_state(notice.uuid);
}

}  // namespace vault
