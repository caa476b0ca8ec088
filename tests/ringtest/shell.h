// SPDX-License-Identifier: MIT
// Shell: a command of the shell in the background, in a process group of its own.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>

namespace ringtest {

class Shell {
 public:
  // Its output goes where ours does not: to standard error.
  Shell(const std::string& command, const std::map<std::string, std::string>& environment);
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;
  ~Shell();

  // Asks the whole group to end.
  void ask_to_end() const;
  // The wait status, once it has ended.
  std::optional<int> status();

 private:
  pid_t pid_ = 0;
  std::optional<int> status_;
};

// Runs it to its end: what it printed, or nothing when it failed.
std::optional<std::string> output_of(const std::string& command, const std::map<std::string, std::string>& environment);

}  // namespace ringtest
