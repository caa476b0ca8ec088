// SPDX-License-Identifier: MIT
// The answer to a request that was refused.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace backend {

inline nlohmann::json failure(const std::string& text) { return {{"ok", false}, {"error", text}}; }

inline constexpr const char* kNeedsUuid = "a uuid is needed, as 01234567-89ab-cdef-0123-456789abcdef";

inline constexpr size_t kLongestLabel = 256;

}  // namespace backend
