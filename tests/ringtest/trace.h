// SPDX-License-Identifier: MIT
// Trace: what the kit did in a case and what it saw, in order. Written to a file, it can be run again.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace ringtest {

struct Step {
  bool done_by_us = false;  // otherwise: seen
  long at_ms = 0;
  std::string text;
};

class Trace {
 public:
  void begin();
  // What is decided by the case and its seed alone: the same each time.
  void did(std::string text) { add(true, std::move(text)); }
  void saw(std::string text) { add(false, std::move(text)); }
  std::vector<Step> steps() const;

 private:
  void add(bool by_us, std::string text);

  mutable std::mutex mutex_;
  std::chrono::steady_clock::time_point begun_;
  std::vector<Step> steps_;
};

// A run of one case, as a file.
struct Recording {
  std::string role, name, failure;
  uint64_t seed = 0;
  unsigned run = 0;
  std::vector<Step> steps;
};
bool write(const Recording& recording, const std::string& path);
std::optional<Recording> read(const std::string& path);
// Where the second departs from what was done in the first; nothing when it does not.
std::optional<std::string> difference(const std::vector<Step>& recorded, const std::vector<Step>& now);

}  // namespace ringtest
