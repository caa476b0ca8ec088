// SPDX-License-Identifier: MIT
// What the control socket can be asked about backups and copies of instances. Files and keys go as base64.
#pragma once

#include <nlohmann/json.hpp>

#include "backend/manager/manager.h"

namespace backend {

nlohmann::json backup(Manager& manager, const nlohmann::json& request);
nlohmann::json revert(Manager& manager, const nlohmann::json& request);
// While the copy is made the answer has "making": the same request again waits for it.
nlohmann::json clone(Manager& manager, const nlohmann::json& request);

void print_clone(const nlohmann::json& answer);
// To standard error: the backup may go to the other.
void print_backup(const nlohmann::json& answer);
void print_revert(const nlohmann::json& answer);

}  // namespace backend
