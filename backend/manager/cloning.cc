// SPDX-License-Identifier: MIT
// Manager: copies of instances. A new endorsement key takes a worker and some time: until that has committed, nothing
// of the copy is stored, and the source waits.
#include <algorithm>

#include "backend/manager/manager.h"
#include "backend/vault/opening.h"
#include "backend/vault/whole.h"

namespace backend {

namespace {
constexpr long kMostClones = 2;  // at once
constexpr uint64_t kCopied = 1;  // the epoch of what a worker begins with

vault::Refusal refused(std::string text) { return {vault::Refusal::Kind::Conflict, std::move(text)}; }
}  // namespace

vault::Result<> Manager::may_be_cloned(const vault::Uuid& source, const vault::Uuid& uuid) {
  if (vault_.known(uuid) || uuid == vault::kHost) return refused("there is, or was, an instance with the new uuid");
  if (vault_.ledger().awaited(uuid)) return refused("an instance with the new uuid is awaited from another host");
  static_cast<void>(TRY(vault_.load(source)));
  TRY(unused(source));
  long others =
      std::count_if(makers_.begin(), makers_.end(), [](const auto& one) { return one.second.clone.has_value(); });
  if (others >= kMostClones) return refused("other copies are being made: try again in a moment");
  return {};
}

vault::Result<bool> Manager::clone(const vault::Uuid& source, const vault::Uuid& uuid, bool keep_identity) {
  for (const auto& [serial, maker] : makers_) {
    if (!maker.clone || maker.uuid != uuid) continue;
    if (maker.clone->source == source) return maker.clone->stored;
    return refused("another copy with the new uuid is being made");
  }
  if (auto failed = not_cloned_.find(uuid); failed != not_cloned_.end()) {
    std::string why = failed->second;
    not_cloned_.erase(failed);
    return refused(why);
  }
  if (vault_.is_copy(uuid, source)) return true;
  TRY(may_be_cloned(source, uuid));
  vault::Instance instance = TRY(vault_.load(source));
  if (instance.epoch == 0) return refused("its TPM has not been made yet: try again in a moment");
  vault::Whole whole = TRY(vault::whole_of(vault_, source, instance, {}));
  vault::Copy copy{.source = source, .uuid = uuid, .settings = whole.settings};
  copy.permanent = std::move(whole.permanent.bytes());
  for (vault::ItemValue& item : vault::items_of(whole)) {
    bool goes = item.item == vault::Item::Measure || (keep_identity && item.item == vault::Item::Endorsement);
    if (goes) copy.items.push_back(std::move(item));
  }
  if (!keep_identity) {
    TRY(begin_clone(std::move(copy)));
    return false;
  }
  copy.epoch = kCopied;
  copy.identity = "with the same endorsement key";
  TRY(vault_.create_copy(copy));
  event(Level::Warning, "cloned", source, "copied to " + vault::text_of(uuid) + ", " + copy.identity);
  return true;
}

vault::Result<> Manager::begin_clone(vault::Copy copy) {
  vault::Lease lease = TRY(vault_.lease(copy.source));
  Maker maker{.uuid = copy.uuid};
  vault::fill_random(maker.key);
  base::Bytes permanent = vault::seal(maker.key, copy.uuid, vault::Purpose::Permanent, kCopied, copy.permanent);
  copy.permanent = {};
  vault::Settings settings = copy.settings;
  maker.clone.emplace(CloneOf{copy.source, std::move(lease), std::move(copy)});
  size_t before = makers_.size();
  add_maker(std::move(maker), settings, permanent);
  if (makers_.size() == before) return refused("the copy cannot be made: see the log");
  return {};
}

vault::Result<> Manager::store_clone(Maker& maker, const message::Commit& commit) {
  CloneOf& clone = *maker.clone;
  auto plain = vault::unseal(maker.key, maker.uuid, vault::Purpose::Permanent, commit.epoch, commit.permanent);
  if (!plain || !maker.endorsed) return refused("the worker did not make a copy");
  clone.copy.permanent = std::move(*plain);
  clone.copy.epoch = commit.epoch;
  auto record = identity::Endorsement::from_kept(maker.endorsement);
  bool has_key = record && record->present;
  clone.copy.identity = has_key ? "with an endorsement key of its own" : "without an endorsement key";
  clone.copy.items.push_back({vault::Item::Endorsement, maker.endorsement});
  auto stored = vault_.create_copy(clone.copy);
  clone.stored = stored.ok();
  if (!stored.ok()) {
    not_cloned_[maker.uuid] = stored.error().text;
    event(Level::Error, "not-cloned", clone.source, "its copy is not stored: " + stored.error().text);
  } else {
    event(Level::Notice, "cloned", clone.source,
          "copied to " + vault::text_of(maker.uuid) + ", " + clone.copy.identity);
  }
  return stored;
}

void Manager::end_clone(const Maker& maker) {
  if (maker.clone->stored || not_cloned_.contains(maker.uuid)) return;
  not_cloned_[maker.uuid] = "the copy was not made: its worker ended, see the log";
  event(Level::Error, "not-cloned", maker.clone->source, not_cloned_[maker.uuid]);
}

}  // namespace backend
