// SPDX-License-Identifier: MIT
// What the control socket can be asked. A request is {"command": NAME, "uuid": ...}; the answer has "ok", and either
// the command's fields or "error".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "backend/manager/manager.h"

namespace backend {

struct Reply {
  std::string line;      // without its end
  bool follows = false;  // wants every event from now on, a line each
  // Comes along with the line (SCM_RIGHTS), and whatever feeds it ends with the connection.
  std::optional<Manager::Traced> traced = {};
};
// The answer to one line.
Reply answer(Manager& manager, std::string_view line);
// An event as a line.
std::string line_of(const AdminEvent& event);

}  // namespace backend
