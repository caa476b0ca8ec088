// SPDX-License-Identifier: MIT
// What the manager knows, as JSON: the fields that vtpmctl and other programs rely on.
#pragma once

#include <nlohmann/json.hpp>

#include "backend/manager/manager.h"

namespace backend {

nlohmann::json about(const AdminEvent& event);
nlohmann::json about(const Device& device);
nlohmann::json about(const vault::Entry& entry, const Manager& manager);
// What is wrong, each with "level" and "text".
nlohmann::json findings(Manager& manager);

}  // namespace backend
