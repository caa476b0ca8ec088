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
  // When it is set the line is not known yet: it is given to the function that this is called with.
  std::function<void(std::function<void(const std::string& line)>)> later = {};
  // Comes along with the line (SCM_RIGHTS), and whatever feeds it ends with the connection.
  std::optional<Manager::Traced> traced = {};
};
// The answer to one line, and to the descriptor that came with it.
Reply answer(Manager& manager, std::string_view line, vault::Fd attached = {});
// An event as a line.
std::string line_of(const AdminEvent& event);

}  // namespace backend
