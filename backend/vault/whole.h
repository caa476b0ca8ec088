// SPDX-License-Identifier: MIT
// Whole: everything that makes an instance, in plain, as it goes into files that leave the vault.
#pragma once

#include "backend/vault/vault.h"

namespace vault {

struct CarriedItem {
  Item item{};
  wire::SizedBytes bytes;
};

struct Whole {
  uint8_t version = 1;
  uint64_t created = 0;
  Settings settings;
  uint64_t epoch = 0;
  wire::SizedBytes permanent;
  Power power;  // what it is to start from
  wire::Counted<CarriedItem> items;
};

// `instance` as load() gives it.
Result<Whole> whole_of(Vault& vault, const Uuid& uuid, const Instance& instance, const Power& power);
// What an honest host wrote: another one is not let in with states that could not have come about here.
Result<Whole> whole_in(base::View plain, const std::string& file);

Instance instance_of(Whole whole);
// All but the history.
std::vector<ItemValue> items_of(const Whole& whole);
// What is told of it here goes on with what was told there.
History history_of(const Whole& whole);

}  // namespace vault
