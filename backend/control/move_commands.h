// SPDX-License-Identifier: MIT
// What the control socket can be asked about instances that move between hosts. Papers go as base64.
#pragma once

#include <nlohmann/json.hpp>

#include "backend/manager/manager.h"

namespace backend {

nlohmann::json invite(Manager& manager, const nlohmann::json& request);
nlohmann::json export_instance(Manager& manager, const nlohmann::json& request);
nlohmann::json release(Manager& manager, const nlohmann::json& request);
nlohmann::json import_paper(Manager& manager, const nlohmann::json& request);
nlohmann::json peers(Manager& manager, const nlohmann::json& request);

// Where an instance stands on its way; nothing when it never was on one.
nlohmann::json about(const vault::Passage& passage);
// What the doctor says of it; empty: nothing.
std::string advice(const vault::Entry& entry);

}  // namespace backend
