// SPDX-License-Identifier: MIT
// How vtpmctl shows an event log.
#pragma once

#include <nlohmann/json.hpp>

namespace backend {

void print_event_log(const nlohmann::json& answer);
// As the TCG has it, to standard output. False: it could not be written.
bool write_event_log(const nlohmann::json& answer);

}  // namespace backend
