// SPDX-License-Identifier: MIT
#include "backend/vault/moving.h"

#include <openssl/rand.h>

#include <ctime>

#include "backend/vault/whole.h"
#include "lib/base/verify.h"

namespace vault {

namespace {

Refusal refused(std::string text) { return {Refusal::Kind::Conflict, std::move(text)}; }
uint64_t now() { return static_cast<uint64_t>(::time(nullptr)); }
std::string text_in(const wire::SizedBytes& bytes) { return {bytes.bytes().begin(), bytes.bytes().end()}; }
const char* const kNotWhole =
    " It had not arrived whole, and will be quarantined: if its export is still there, import that again instead.";
Nonce fresh_nonce() {
  Nonce nonce{};
  VERIFY(RAND_bytes(nonce.data(), static_cast<int>(nonce.size())) == 1);
  return nonce;
}

}  // namespace

Result<PublicIdentity> Moving::identity() { return TRY(Identity::of(vault_, name_)).shown(); }

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
  Whole whole = TRY(whole_of(vault_, uuid, instance, power));
  TRY(trust_peer(vault_, to.from, trusted));
  Transfer transfer =
      TRY(depart(ledger, {uuid, instance.epoch, to.nonce, own.key(), to.from.signing}, fresh_nonce(), now()));
  ledger.passages[uuid].other = to.from.name;
  base::Bytes paper = TRY(write_export(own, to.from, transfer, wire::encode(whole)));
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
  Whole whole = TRY(whole_in(plain.reveal(), "export"));
  if (uuid == kHost || whole.epoch != paper.transfer.epoch) return refused("the export contradicts itself");
  TRY(trust_peer(vault_, paper.from, trusted));
  std::vector<ItemValue> items = items_of(whole);
  items.push_back({Item::History, history_of(whole).kept()});
  Instance instance = instance_of(std::move(whole));
  auto store = [&]() -> Result<> {
    TRY(vault_.put_state(uuid, instance));
    Deed arrived = deed(Happened::Arrived, "from host '" + text_in(paper.from.name) + "'", paper.transfer.hop);
    TRY(vault_.put_items(uuid, items, {arrived}));
    return name_other(uuid, paper.from);
  };
  TRY(receive(vault_, paper.transfer, own.key(), vault_.known(uuid), now(), store));
  TRY(not_deleted(uuid));
  bool had_come = vault_.ledger().find(uuid)->custody == Custody::Come;
  return Imported{uuid, PaperKind::Export, write_transfer(own, PaperKind::Receipt, paper.transfer), had_come};
}

// A copy or an instance that an administrator has deleted since: its papers still fit.
Result<> Moving::not_deleted(const Uuid& uuid) {
  if (vault_.known(uuid) && !vault_.entry(uuid).ok())
    return refused("the instance was deleted here, which is for ever");
  return {};
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
  TRY(not_deleted(token.uuid));
  TRY(vault_.set_ledger(ledger));
  return Imported{token.uuid, PaperKind::Token, {}};
}

Result<Moving::Imported> Moving::import_notice(base::View bytes) {
  Transfer notice = TRY(read_transfer(bytes, PaperKind::Notice));
  TRY(throw_away(vault_, notice));
  return Imported{notice.uuid, PaperKind::Notice, {}};
}

// One that is not whole is not run unseen: it may be deleted, or a backup put in its place.
Result<Moving::Inherited> Moving::inherit(const Uuid& uuid, bool confirmed) {
  TRY(not_deleted(uuid));
  bool present = vault_.known(uuid);
  Ledger ledger = vault_.ledger();
  if (!TRY(vault::inherit(ledger, uuid, present))) {
    return Inherited{false, "runs here already: its source was said to be lost before"};
  }
  const Passage& passage = ledger.passages[uuid];
  bool whole = !passage.other.bytes().empty();
  std::string host = whole ? "host '" + text_in(passage.other) + "'" : "its source";
  std::string copy = "as it stood at epoch " + std::to_string(passage.transfer.epoch) + ", exported by " + host;
  if (!confirmed) {
    return refused("This makes the copy run here, " + copy + " with fingerprint " +
                   fingerprint(passage.transfer.source) + ". That host's token is not needed any more. If the " +
                   "instance ever runs there again, or from another copy elsewhere, there are two of it, with the " +
                   "same keys and the same name." + (whole ? "" : kNotWhole) +
                   " Nothing has been done; when that host is lost for good, say --yes");
  }
  if (!whole) TRY(vault_.quarantine(uuid, "its copy had not arrived whole when its source was said to be lost"));
  TRY(vault_.set_ledger(ledger));
  return Inherited{true, "runs here, " + copy + ": an administrator said that that host is lost" +
                             (whole ? "" : "; it is quarantined, as it had not arrived whole")};
}

}  // namespace vault
