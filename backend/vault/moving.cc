// SPDX-License-Identifier: MIT
#include "backend/vault/moving.h"

#include <openssl/rand.h>

#include <algorithm>
#include <ctime>

#include "lib/base/verify.h"

namespace vault {

namespace {

constexpr uint8_t kStateVersion = 1;
constexpr uint8_t kPeersVersion = 1;
constexpr size_t kMostPeers = 1024;
// What goes along with the state.
constexpr std::array kCarried = {Item::History, Item::EventLog, Item::Measure, Item::Endorsement};

struct CarriedItem {
  Item item{};
  wire::SizedBytes bytes;
};
// What makes the instance, in plain.
struct State {
  uint8_t version = kStateVersion;
  uint64_t created = 0;
  Settings settings;
  uint64_t epoch = 0;
  wire::SizedBytes permanent;
  Power power;
  wire::Counted<CarriedItem> items;
};
struct PeerList {
  uint8_t version = kPeersVersion;
  wire::Counted<Peer> peers;
};

Refusal refused(std::string text) { return {Refusal::Kind::Conflict, std::move(text)}; }
uint64_t now() { return static_cast<uint64_t>(::time(nullptr)); }
std::string text_in(const wire::SizedBytes& bytes) { return {bytes.bytes().begin(), bytes.bytes().end()}; }
Nonce fresh_nonce() {
  Nonce nonce{};
  VERIFY(RAND_bytes(nonce.data(), static_cast<int>(nonce.size())) == 1);
  return nonce;
}

// What an honest host sends: another one is not let in with states that could not have come about here.
Result<> proper(const State& state) {
  constexpr size_t kLongestLabel = 256;
  bool kept = state.power.kind == Power::Kind::Suspended && !state.power.snapshot.empty();
  bool off = state.power.kind == Power::Kind::Off && state.power.snapshot.empty();
  bool settings = state.settings.localities > 0 && state.settings.localities < 32 &&
                  state.settings.label.size() <= kLongestLabel;
  bool made = state.epoch > 0 ? !state.permanent.empty() : state.permanent.empty() && off;
  if ((kept || off) && settings && made) return {};
  return refused("the export's content makes no sense");
}

// The two envelopes of an instance, opened.
Result<> open_state(const Uuid& uuid, Instance& instance) {
  auto open = [&](Purpose purpose, uint64_t epoch, wire::SizedBytes& bytes) {
    if (bytes.empty()) return true;
    auto plain = unseal(instance.key, uuid, purpose, epoch, bytes);
    if (plain) bytes = wire::SizedBytes(std::move(*plain));
    return plain.has_value();
  };
  bool opened = open(Purpose::Permanent, instance.epoch, instance.permanent) &&
                open(Purpose::Snapshot, instance.power.epoch, instance.power.snapshot);
  if (!opened) return Refusal{Refusal::Kind::Quarantined, "its state does not open"};
  return {};
}

// What is told of it here begins with what was told there.
History history_from(const State& state) {
  History history;
  for (const CarriedItem& carried : state.items.items) {
    if (carried.item != Item::History) continue;
    if (auto told = History::from_kept(carried.bytes)) return *told;
    history.add(deed(Happened::Lost, "what the other host told is not understood"));
    return history;
  }
  history.add(deed(Happened::Created));
  history.deeds.items.back().time = state.created;
  return history;
}

}  // namespace

Result<PublicIdentity> Moving::identity() { return TRY(Identity::of(vault_, name_)).shown(); }

Result<std::vector<Peer>> Moving::peers() {
  base::Bytes item = TRY(vault_.item(kHost, Item::Peers));
  if (item.empty()) return std::vector<Peer>();
  auto list = wire::decode<PeerList>(item);
  if (!list.ok() || list.value().version != kPeersVersion) {
    return Refusal{Refusal::Kind::Broken, "the list of known hosts is of an unknown form"};
  }
  return std::move(list.value().peers.items);
}

Result<> Moving::forget_peer(const std::string& name) {
  auto known = TRY(peers());
  size_t n = std::erase_if(known, [&](const Peer& peer) { return text_in(peer.name) == name; });
  if (n == 0) return Refusal{Refusal::Kind::Unknown, "no host of that name is known"};
  return vault_.put_items(kHost, {{Item::Peers, wire::encode(PeerList{.peers = {known}})}});
}

// The first key of a name is believed when an administrator says that it is the one; then only that.
Result<> Moving::trust(const PublicIdentity& other, const std::string& trusted) {
  auto known = TRY(peers());
  std::string name = text_in(other.name), print = fingerprint(other.signing);
  for (const Peer& peer : known) {
    if (text_in(peer.name) != name) continue;
    if (peer.key == other.signing) return {};
    return refused("host '" + name + "' has another key than before: known is " + fingerprint(peer.key) +
                   ", this is signed by " + print + ". It is somebody else, or was set up anew: in that case, forget " +
                   "the old key with `vtpmctl peers --forget " + name + "`");
  }
  if (trusted != print) {
    return refused("host '" + name + "' is not known yet. Its key's fingerprint is " + print + ": compare it with " +
                   "what `vtpmctl peers` shows there, and say --trust " + print);
  }
  if (known.size() >= kMostPeers) return refused("too many hosts are known: forget some with `vtpmctl peers --forget`");
  known.push_back({other.name, other.signing});
  return vault_.put_items(kHost, {{Item::Peers, wire::encode(PeerList{.peers = {known}})}});
}

Result<base::Bytes> Moving::invite(const std::optional<Uuid>& uuid) {
  Identity own = TRY(Identity::of(vault_, name_));
  Invitation invitation{fresh_nonce(), uuid.value_or(Uuid{}), now()};
  Ledger ledger = vault_.ledger();
  TRY(vault::invite(ledger, invitation, uuid && vault_.known(*uuid)));
  TRY(vault_.set_ledger(ledger));
  return write_invitation(own, invitation.nonce, invitation.uuid, invitation.time);
}

Result<size_t> Moving::withdraw(const std::optional<Uuid>& uuid) {
  Ledger ledger = vault_.ledger();
  size_t n = std::erase_if(ledger.invitations, [&](const Invitation& i) { return !uuid || i.uuid == *uuid; });
  if (n > 0) TRY(vault_.set_ledger(ledger));
  return n;
}

Result<base::Bytes> Moving::export_to(const Uuid& uuid, base::View invitation, const std::string& trusted,
                                      const Power& power) {
  Identity own = TRY(Identity::of(vault_, name_));
  InvitationPaper to = TRY(read_invitation(invitation));
  if (to.uuid != Uuid{} && to.uuid != uuid) return refused("the invitation is for instance " + text_of(to.uuid));
  Ledger ledger = vault_.ledger();
  const Passage* before = ledger.find(uuid);
  bool here = before == nullptr || before->custody == Custody::Leaving || runnable(before->custody);
  Instance instance = TRY(here ? vault_.load_locked(uuid) : vault_.load(uuid));
  instance.power = power;
  TRY(open_state(uuid, instance));
  TRY(trust(to.from, trusted));
  Transfer transfer =
      TRY(depart(ledger, {uuid, instance.epoch, to.nonce, own.key(), to.from.signing}, fresh_nonce(), now()));
  ledger.passages[uuid].other = to.from.name;
  State state{.created = instance.created,
              .settings = instance.settings,
              .epoch = instance.epoch,
              .permanent = std::move(instance.permanent),
              .power = std::move(instance.power),
              .items = {}};
  for (Item item : kCarried) {
    base::Bytes bytes = TRY(vault_.item(uuid, item));
    if (!bytes.empty()) state.items.items.push_back({item, wire::SizedBytes(std::move(bytes))});
  }
  base::Bytes paper = TRY(write_export(own, to.from, transfer, wire::encode(state)));
  if (paper.size() > kLargestPaper) return refused("the instance's state is too large to be moved");
  TRY(vault_.set_ledger(ledger));
  return paper;
}

Result<base::Bytes> Moving::abort(const Uuid& uuid) {
  Identity own = TRY(Identity::of(vault_, name_));
  Ledger ledger = vault_.ledger();
  Transfer transfer = TRY(stay(ledger, uuid));
  TRY(vault_.set_ledger(ledger));
  return write_transfer(own, PaperKind::Notice, transfer);
}

Result<base::Bytes> Moving::release(const Uuid& uuid, base::View receipt) {
  Identity own = TRY(Identity::of(vault_, name_));
  Transfer transfer;
  if (receipt.empty()) {
    const Passage* passage = vault_.ledger().find(uuid);
    if (passage == nullptr || passage->custody != Custody::Gone) {
      return refused("its token has not been given yet: that takes the destination's receipt");
    }
    transfer = passage->transfer;
  } else {
    transfer = TRY(read_transfer(receipt, PaperKind::Receipt));
  }
  if (transfer.uuid != uuid) return refused("this receipt is for instance " + text_of(transfer.uuid));
  if (transfer.source != own.key()) return refused("this receipt is for another host");
  TRY(give_up(vault_, transfer));
  return write_transfer(own, PaperKind::Token, transfer);
}

Result<Moving::Imported> Moving::import(base::View paper, const std::string& trusted) {
  Identity own = TRY(Identity::of(vault_, name_));
  auto kind = kind_of_paper(paper);
  if (kind == PaperKind::Export) return import_export(own, paper, trusted);
  if (kind == PaperKind::Token) return import_token(paper);
  if (kind == PaperKind::Notice) return import_notice(paper);
  if (kind == PaperKind::Receipt) return refused("this is a receipt: it is for `vtpmctl release` at the source");
  if (kind == PaperKind::Invitation) return refused("this is an invitation: it is for `vtpmctl export` at the source");
  return refused("this is no file of a transfer, or one of a later version of this program");
}

Result<Moving::Imported> Moving::import_export(const Identity& own, base::View bytes, const std::string& trusted) {
  ExportPaper paper = TRY(read_export(bytes));
  const Uuid uuid = paper.transfer.uuid;
  if (paper.transfer.destination != own.key()) {
    return refused("this export is for the host with key " + fingerprint(paper.transfer.destination) + ", this is " +
                   fingerprint(own.key()));
  }
  base::SecretBytes plain = TRY(open_export(own, paper));
  auto state = wire::decode<State>(plain.reveal());
  bool sound = state.ok() && state.value().version == kStateVersion && uuid != kHost &&
               state.value().epoch == paper.transfer.epoch;
  if (!sound) return refused("the export's content is of an unknown form: is the source of a later version?");
  TRY(proper(state.value()));
  TRY(trust(paper.from, trusted));
  State& s = state.value();
  Instance instance{.settings = s.settings, .created = s.created, .epoch = s.epoch};
  instance.permanent = std::move(s.permanent);
  instance.power = std::move(s.power);
  auto store = [&]() -> Result<> {
    TRY(name_other(uuid, paper.from));
    TRY(vault_.put_state(uuid, instance));
    std::vector<ItemValue> items;
    for (const CarriedItem& carried : s.items.items) {
      bool known = std::find(kCarried.begin(), kCarried.end(), carried.item) != kCarried.end();
      if (known) items.push_back({carried.item, base::copy_of(carried.bytes)});
    }
    std::erase_if(items, [](const ItemValue& item) { return item.item == Item::History; });
    items.push_back({Item::History, history_from(s).kept()});
    Deed arrived = deed(Happened::Arrived, "from host '" + text_in(paper.from.name) + "'", paper.transfer.hop);
    return vault_.put_items(uuid, items, {arrived});
  };
  TRY(receive(vault_, paper.transfer, own.key(), vault_.known(uuid), now(), store));
  return Imported{uuid, PaperKind::Export, write_transfer(own, PaperKind::Receipt, paper.transfer)};
}

Result<> Moving::name_other(const Uuid& uuid, const PublicIdentity& other) {
  Ledger ledger = vault_.ledger();
  Passage& passage = ledger.passages[uuid];
  if (passage.other == other.name) return {};
  passage.other = other.name;
  return vault_.set_ledger(ledger);
}

Result<Moving::Imported> Moving::import_token(base::View bytes) {
  Transfer token = TRY(read_transfer(bytes, PaperKind::Token));
  Ledger ledger = vault_.ledger();
  TRY(come(ledger, token));
  TRY(vault_.set_ledger(ledger));
  return Imported{token.uuid, PaperKind::Token, {}};
}

Result<Moving::Imported> Moving::import_notice(base::View bytes) {
  Transfer notice = TRY(read_transfer(bytes, PaperKind::Notice));
  TRY(throw_away(vault_, notice));
  return Imported{notice.uuid, PaperKind::Notice, {}};
}

}  // namespace vault
