// SPDX-License-Identifier: MIT
// What the manager knows of endorsement keys and of the authority that certifies them, as JSON.
#pragma once

#include <nlohmann/json.hpp>

#include "backend/manager/manager.h"

namespace backend {

// The whole answer to `show UUID --ek`.
nlohmann::json show_endorsement(Manager& manager, const vault::Uuid& uuid);
// The whole answer to `show --ca`.
nlohmann::json show_authority(const Manager& manager);
// What is wrong with it, each with "level" and "text".
std::vector<nlohmann::json> authority_findings(const Manager& manager);

}  // namespace backend
