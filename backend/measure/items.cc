// SPDX-License-Identifier: MIT
#include "backend/measure/items.h"

namespace measure {

namespace {

vault::Refusal not_understood(const char* what) {
  return {vault::Refusal::Kind::Broken,
          std::string(what) + " is of an unknown form: was it written by a newer version?"};
}

}  // namespace

vault::Result<Policy> policy_of(vault::Vault& vault, const vault::Uuid& uuid) {
  base::Bytes bytes = TRY(vault.item(uuid, vault::Item::Measure));
  if (bytes.empty()) return Policy::Off;
  auto item = wire::decode<PolicyItem>(bytes);
  if (!item.ok() || item.value().version != 1 || item.value().policy > Policy::Required) {
    return not_understood("what is to be measured");
  }
  return item.value().policy;
}

vault::ItemValue item_of(Policy policy) { return {vault::Item::Measure, wire::encode(PolicyItem{.policy = policy})}; }

vault::Result<base::Bytes> log_of(vault::Vault& vault, const vault::Uuid& uuid, uint64_t power_cycle) {
  base::Bytes bytes = TRY(vault.item(uuid, vault::Item::EventLog));
  if (bytes.empty()) return base::Bytes();
  auto item = wire::decode<LogItem>(bytes);
  if (!item.ok() || item.value().version != 1) return not_understood("the event log");
  if (item.value().power_cycle != power_cycle) return base::Bytes();
  return std::move(item.value().log.bytes());
}

vault::Result<> keep_log(vault::Vault& vault, const vault::Uuid& uuid, uint64_t power_cycle,
                         const std::vector<Event>& events) {
  LogItem item{.power_cycle = power_cycle, .log = wire::SizedBytes(encode(events))};
  return vault.put_items(uuid, {{vault::Item::EventLog, wire::encode(item)}});
}

}  // namespace measure
