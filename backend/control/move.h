// SPDX-License-Identifier: MIT
// vtpmctl move: the whole of a move, by one command that reaches the other host.
#pragma once

#include <string>

#include "backend/control/ask.h"

namespace backend {

struct Move {
  std::string runtime;  // the manager's directory
  std::string uuid;
  std::string host;
  std::string ssh = "ssh";  // and its options, separated by spaces
  std::string trust;        // the fingerprint of the other host's key, when it is not known yet
};
// Repeated after anything has gone wrong in between, it goes on. Empty: it is done; otherwise what is wrong.
std::string move_instance(const Move& move);

}  // namespace backend
