// SPDX-License-Identifier: MIT
// What happened to an instance in its life, as JSON and as people read it.
#pragma once

#include <nlohmann/json.hpp>

#include "backend/manager/manager.h"

namespace backend {

// The whole answer to `show UUID --history`.
nlohmann::json show_history(Manager& manager, const vault::Uuid& uuid);
void print_history(const nlohmann::json& answer);

}  // namespace backend
