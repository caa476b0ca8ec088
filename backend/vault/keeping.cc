// SPDX-License-Identifier: MIT
#include "backend/vault/keeping.h"

#include <openssl/rand.h>

#include <algorithm>
#include <ctime>

#include "backend/vault/peers.h"
#include "lib/base/verify.h"

namespace vault {

namespace {

Refusal refused(std::string text) { return {Refusal::Kind::Conflict, std::move(text)}; }
std::string text_in(const wire::SizedBytes& bytes) { return {bytes.bytes().begin(), bytes.bytes().end()}; }
std::string host_of(const Backup& backup) { return "host '" + text_in(backup.from.name) + "'"; }

std::string date_of(uint64_t time) {
  auto at = static_cast<time_t>(time);
  tm utc{};
  std::array<char, 40> text{};
  ::gmtime_r(&at, &utc);
  size_t n = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &utc);
  return {text.data(), n};
}
std::string state_of(const Backup& backup) {
  return "its state of " + date_of(backup.time) + " (epoch " + std::to_string(backup.epoch) + ")";
}

const char* const kUndone =
    "What its guest has stored in it since then is lost: keys, owner, NV storage, changed secrets. What it had "
    "revoked or counted comes back: its monotonic counters count the same values again, and the guesses at its "
    "secrets begin again as they were. A saved image of its guest finds no volatile state any more.";

// The log of a power cycle ends with it; of an endorsement key nothing is known but what was known then.
std::vector<ItemValue> items_back(const Whole& whole) {
  std::vector<ItemValue> items = items_of(whole);
  std::erase_if(items, [](const ItemValue& item) { return item.item == Item::EventLog; });
  bool endorsed =
      std::any_of(items.begin(), items.end(), [](const ItemValue& item) { return item.item == Item::Endorsement; });
  if (!endorsed) items.push_back({Item::Endorsement, {}});
  return items;
}

}  // namespace

// Where the instance stands on this host.
struct Keeping::Place {
  std::optional<Entry> entry;  // nothing: this host never had it
  bool here = false;
  const Passage* passage = nullptr;
};

Result<Keeping::Made> Keeping::backup(const Uuid& uuid, const std::vector<HostKey>& recovery) {
  if (recovery.size() >= kMostRecipients) return refused("these are too many recovery keys");
  Identity own = TRY(Identity::of(vault_, name_));
  Instance instance = TRY(vault_.load(uuid));
  if (instance.epoch == 0) return refused("its TPM has not been made yet: try again in a moment");
  Power off{.cycle = instance.power.cycle};
  off.saved_stands = instance.power.saved_stands || instance.power.kind == Power::Kind::Suspended;
  Whole whole = TRY(whole_of(vault_, uuid, instance, off));
  const Passage* passage = vault_.ledger().find(uuid);
  Backup about{.uuid = uuid,
               .time = static_cast<uint64_t>(::time(nullptr)),
               .epoch = instance.epoch,
               .hop = passage == nullptr ? 0 : passage->transfer.hop};
  base::Bytes file = TRY(write_backup(own, std::move(about), recovery, wire::encode(whole)));
  return Made{std::move(file), instance.epoch, fingerprint(own.key())};
}

Result<Keeping::Place> Keeping::place_of(const Uuid& uuid) {
  Place place{.passage = vault_.ledger().find(uuid)};
  place.here = place.passage == nullptr ? vault_.known(uuid) : stored(place.passage->custody);
  if (!vault_.known(uuid)) return place;
  auto entry = vault_.entry(uuid);
  if (!entry.ok() && entry.error().kind == Refusal::Kind::Unknown) {
    return Refusal{Refusal::Kind::Exists, "the instance was deleted here, which is for ever: it is not put back"};
  }
  place.entry = TRY(std::move(entry));
  return place;
}

Result<> Keeping::may_return(const Place& place, const Backup& backup, const Identity& own, const Wish& wish) {
  const Passage* passage = place.passage;
  bool own_file = backup.from.signing == own.key();
  if (place.here && passage != nullptr && passage->custody == Custody::Leaving) {
    return refused("the instance is locked on its way to host '" + text_in(passage->other) +
                   "': keep it first, with `vtpmctl export " + text_of(backup.uuid) + " --abort`");
  }
  if (place.here && passage != nullptr && passage->custody == Custody::Arrived) {
    return refused("a copy of the instance has arrived from host '" + text_in(passage->other) +
                   "' and waits for that host's token, which has the instance; when it is lost for good: `vtpmctl " +
                   "import --source-lost " + text_of(backup.uuid) + "`");
  }
  bool same_origin =
      passage != nullptr && passage->custody == Custody::Restored && passage->transfer.source == backup.from.signing;
  if (place.here && !own_file && !same_origin) {
    return refused("this is a backup of " + host_of(backup) + ", and the instance runs here since: it is put back " +
                   "only to what this host has backed up");
  }
  if (!place.here && !wish.source_lost) {
    std::string where = passage != nullptr && passage->custody == Custody::Gone
                            ? "it was moved to host '" + text_in(passage->other) + "'"
                        : passage != nullptr ? "it is at host '" + text_in(passage->other) + "'"
                                             : "this is a backup of " + host_of(backup);
    return refused("the instance is not here: " + where +
                   ". While it lives there it is moved, not restored, or there would be two of it. When that host is "
                   "lost for good and nothing of it will ever run again, say --source-lost");
  }
  return {};
}

// What the backup holds.
Result<Whole> Keeping::opened(const Backup& backup, const Identity& own, const Wish& wish) {
  auto key = wish.key ? wish.key : file_key(backup, own);
  if (!key) {
    return refused("the backup was made by " + host_of(backup) +
                   ", whose key this host has not: say --key FILE with the recovery key it was made to");
  }
  base::SecretBytes plain = TRY(open_backup(backup, *key));
  Whole whole = TRY(whole_in(plain.reveal(), "backup"));
  if (whole.epoch != backup.epoch || whole.epoch == 0) return refused("the backup contradicts itself");
  if (backup.from.signing != own.key()) TRY(check_peer(vault_, backup.from, wish.trusted));
  return whole;
}

// What an administrator decides is as it was decided last, where that can still be read.
Return Keeping::reverted(const Entry& now, const Backup& backup, Whole whole) {
  Return back{.items = items_back(whole), .passage = {}, .history = {}};
  std::erase_if(back.items, [](const ItemValue& item) { return item.item == Item::Measure; });
  back.plain = instance_of(std::move(whole));
  if (now.created != 0) back.plain.settings = now.settings;
  Power& power = back.plain.power;
  power.cycle = std::max(power.cycle, now.power_cycle);
  power.saved_stands = power.saved_stands || now.saved_stands || now.power == Power::Kind::Suspended;
  back.deed = deed(Happened::Reverted,
                   "to " + state_of(backup) + ", from epoch " + std::to_string(now.epoch) +
                       "; everything since then was undone, its monotonic counters too",
                   backup.epoch);
  return back;
}

Return Keeping::restored(const Passage* before, const Backup& backup, const Identity& own, Whole whole) {
  Transfer transfer{.uuid = backup.uuid,
                    .hop = std::max(backup.hop, before == nullptr ? 0 : before->transfer.hop),
                    .epoch = backup.epoch,
                    .source = backup.from.signing,
                    .destination = own.key()};
  VERIFY(RAND_bytes(transfer.id.data(), static_cast<int>(transfer.id.size())) == 1);
  Return back{.items = items_back(whole), .passage = {}, .history = history_of(whole)};
  back.plain = instance_of(std::move(whole));
  back.deed = deed(Happened::Restored,
                   "to " + state_of(backup) + ", from a backup of " + host_of(backup) +
                       ": an administrator said that the host that had it is lost",
                   transfer.hop);
  back.passage = Passage{Custody::Restored, transfer, static_cast<uint64_t>(::time(nullptr)), backup.from.name};
  return back;
}

Result<Keeping::Done> Keeping::revert(const Uuid& uuid, base::View file, const Wish& wish) {
  Identity own = TRY(Identity::of(vault_, name_));
  Backup backup = TRY(read_backup(file));
  if (backup.uuid != uuid) return refused("this is a backup of instance " + text_of(backup.uuid));
  if (uuid == kHost) return refused("the backup contradicts itself");
  Place place = TRY(place_of(uuid));
  TRY(may_return(place, backup, own, wish));
  Whole whole = TRY(opened(backup, own, wish));
  if (!wish.confirmed) {
    std::string what = place.here ? "This puts the instance back to " + state_of(backup) + "; now it is at epoch " +
                                        std::to_string(place.entry->epoch) + "."
                                  : "This makes the instance run here, in " + state_of(backup) + ".";
    return refused(what + " " + kUndone + " Nothing has been done; when that is what you want, say --yes");
  }
  uint64_t epoch = TRY(vault_.put_back(uuid, place.here ? reverted(*place.entry, backup, std::move(whole))
                                                        : restored(place.passage, backup, own, std::move(whole))));
  std::string done = place.here ? "put back to " : "restored here, to ";
  return Done{!place.here, done + state_of(backup) + "; it goes on as epoch " + std::to_string(epoch)};
}

}  // namespace vault
