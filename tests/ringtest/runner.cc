// SPDX-License-Identifier: MIT
#include "tests/ringtest/runner.h"

#include <fnmatch.h>

namespace ringtest {

bool matches(const std::string& pattern, const std::string& name) {
  return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

uint64_t seed_of(const Plan& plan, const std::string& name, unsigned run) {
  // FNV-1a
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : name + "#" + std::to_string(run) + "#" + std::to_string(plan.seed)) {
    hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  }
  return hash;
}

std::string trace_path(const Plan& plan, const std::string& name, unsigned run) {
  std::string file = plan.role + "-" + name + "-" + std::to_string(run) + ".trace";
  std::ranges::replace(file, '/', '-');
  return plan.traces + "/" + file;
}

}  // namespace ringtest
