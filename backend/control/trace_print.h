// SPDX-License-Identifier: MIT
// A traced command as people and as programs read it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "backend/trace/record.h"

namespace backend {

std::string text_of(const trace::Record& record);
nlohmann::json json_of(const trace::Record& record);

}  // namespace backend
