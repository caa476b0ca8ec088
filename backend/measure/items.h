// SPDX-License-Identifier: MIT
// What the vault keeps of measurements with an instance: Item::Measure and Item::EventLog.
#pragma once

#include <optional>
#include <string_view>

#include "backend/measure/event_log.h"
#include "backend/vault/vault.h"

namespace measure {

enum class Policy : uint8_t {
  Off = 0,
  On = 1,        // what cannot be measured leaves a marker
  Required = 2,  // what cannot be measured is not served
};
inline constexpr std::array<std::string_view, 3> kPolicyNames = {"off", "on", "required"};
inline std::string_view name_of(Policy policy) { return kPolicyNames.at(static_cast<size_t>(policy)); }
inline std::optional<Policy> policy_in(std::string_view name) {
  for (size_t i = 0; i < kPolicyNames.size(); i++) {
    if (kPolicyNames[i] == name) return static_cast<Policy>(i);
  }
  return std::nullopt;
}

// An instance without one is not measured.
struct PolicyItem {
  uint8_t version = 1;
  Policy policy = Policy::Off;
};

// Of one power cycle: of another one than the instance is in, it says nothing.
struct LogItem {
  uint8_t version = 1;
  uint64_t power_cycle = 0;
  wire::SizedBytes log;
};

vault::Result<Policy> policy_of(vault::Vault& vault, const vault::Uuid& uuid);
vault::ItemValue item_of(Policy policy);
// Of a new instance.
inline std::vector<vault::ItemValue> items_of(Policy policy) {
  return policy == Policy::Off ? std::vector<vault::ItemValue>() : std::vector{item_of(policy)};
}
// What was extended in this power cycle before the guest could; empty when nothing was.
vault::Result<base::Bytes> log_of(vault::Vault& vault, const vault::Uuid& uuid, uint64_t power_cycle);
vault::Result<> keep_log(vault::Vault& vault, const vault::Uuid& uuid, uint64_t power_cycle,
                         const std::vector<Event>& events);

}  // namespace measure
