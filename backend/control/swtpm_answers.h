// SPDX-License-Identifier: MIT
// `vtpmctl import --swtpm` as the manager answers it.
#pragma once

#include <nlohmann/json.hpp>

#include "backend/control/commands.h"

namespace backend {

// `question` is what vtpm-convert reads. Fields: "uuid", "label", and "yes": without it nothing is stored.
Reply import_swtpm(Manager& manager, const nlohmann::json& request, vault::Fd question);

}  // namespace backend
