// SPDX-License-Identifier: MIT
// What the control socket can be asked. A request is {"command": NAME, "uuid": ...}; the answer has "ok", and either
// the command's fields or "error".
#pragma once

#include <string>
#include <string_view>

#include "backend/manager/manager.h"

namespace backend {

// The answer to one line, as one line without its end.
std::string answer(Manager& manager, std::string_view line);

}  // namespace backend
