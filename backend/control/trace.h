// SPDX-License-Identifier: MIT
// `vtpmctl trace`: the commands of a guest as they are executed, printed or written to a file; or such a file, printed.
#pragma once

#include <string>

namespace backend {

struct TraceOrder {
  std::string runtime;  // where the control socket is
  std::string uuid;
  std::string write, read;  // files; empty: none
  bool as_json = false;
};
// The program's exit status.
int trace_instance(const TraceOrder& order);

}  // namespace backend
