// SPDX-License-Identifier: MIT
#include "backend/vault/whole.h"

#include <algorithm>

namespace vault {

namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kLongestLabel = 256;
// What goes along with the state.
constexpr std::array kCarried = {Item::History, Item::EventLog, Item::Measure, Item::Endorsement};

Refusal refused(std::string text) { return {Refusal::Kind::Conflict, std::move(text)}; }

bool proper(const Whole& whole) {
  bool kept = whole.power.kind == Power::Kind::Suspended && !whole.power.snapshot.empty();
  bool off = whole.power.kind == Power::Kind::Off && whole.power.snapshot.empty();
  bool settings =
      whole.settings.localities > 0 && whole.settings.localities < 32 && whole.settings.label.size() <= kLongestLabel;
  bool made = whole.epoch > 0 ? !whole.permanent.empty() : whole.permanent.empty() && off;
  return (kept || off) && settings && made;
}

Result<> open_envelope(const Uuid& uuid, const InstanceKey& key, Purpose purpose, uint64_t epoch,
                       wire::SizedBytes& bytes) {
  if (bytes.empty()) return {};
  auto plain = unseal(key, uuid, purpose, epoch, bytes);
  if (!plain) return Refusal{Refusal::Kind::Quarantined, "its state does not open"};
  bytes = wire::SizedBytes(std::move(*plain));
  return {};
}

}  // namespace

Result<Whole> whole_of(Vault& vault, const Uuid& uuid, const Instance& instance, const Power& power) {
  Whole whole{.created = instance.created,
              .settings = instance.settings,
              .epoch = instance.epoch,
              .permanent = instance.permanent,
              .power = power,
              .items = {}};
  TRY(open_envelope(uuid, instance.key, Purpose::Permanent, whole.epoch, whole.permanent));
  TRY(open_envelope(uuid, instance.key, Purpose::Snapshot, power.epoch, whole.power.snapshot));
  for (Item item : kCarried) {
    base::Bytes bytes = TRY(vault.item(uuid, item));
    if (!bytes.empty()) whole.items.items.push_back({item, wire::SizedBytes(std::move(bytes))});
  }
  return whole;
}

Result<Whole> whole_in(base::View plain, const std::string& file) {
  auto whole = wire::decode<Whole>(plain);
  if (!whole.ok() || whole.value().version != kVersion) {
    return refused("the " + file + "'s content is of an unknown form: is its host of a later version?");
  }
  if (!proper(whole.value())) return refused("the " + file + "'s content makes no sense");
  return std::move(whole).take();
}

Instance instance_of(Whole whole) {
  Instance instance{.settings = std::move(whole.settings), .created = whole.created, .epoch = whole.epoch};
  instance.permanent = std::move(whole.permanent);
  instance.power = std::move(whole.power);
  return instance;
}

std::vector<ItemValue> items_of(const Whole& whole) {
  std::vector<ItemValue> items;
  for (const CarriedItem& carried : whole.items.items) {
    bool known = std::find(kCarried.begin(), kCarried.end(), carried.item) != kCarried.end();
    if (known && carried.item != Item::History) items.push_back({carried.item, base::copy_of(carried.bytes)});
  }
  return items;
}

History history_of(const Whole& whole) {
  History history;
  for (const CarriedItem& carried : whole.items.items) {
    if (carried.item != Item::History) continue;
    if (auto told = History::from_kept(carried.bytes)) return *told;
    history.add(deed(Happened::Lost, "what the other host told is not understood"));
    return history;
  }
  history.add(deed(Happened::Created));
  history.deeds.items.back().time = whole.created;
  return history;
}

}  // namespace vault
