// SPDX-License-Identifier: MIT
// What the manager answers about measurements.
#pragma once

#include <nlohmann/json.hpp>

#include "backend/manager/manager.h"

namespace backend {

// The policy that a request names; nothing: it names none, or none that there is.
std::optional<measure::Policy> measure_in(const nlohmann::json& request);
// Adds what is measured of the instance.
void add_measure(nlohmann::json& instance, Manager& manager, const vault::Uuid& uuid);
// The event log of the present power cycle, and what the PCRs held after it.
vault::Result<nlohmann::json> event_log(Manager& manager, const vault::Entry& entry);

}  // namespace backend
