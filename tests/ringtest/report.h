// SPDX-License-Identifier: MIT
// Report: results of cases, as TAP or JUnit.
#pragma once

#include <string>
#include <vector>

#include "tests/ringtest/half.h"

namespace ringtest {

struct Result {
  std::string name, rule;
  enum class Verdict { Passed, Failed, Skipped } verdict = Verdict::Passed;
  std::string why;
  std::vector<std::string> notes;
  milliseconds took{};
  // Of a failure: what is printed of page and XenStore, and where the trace is.
  std::string details, trace;
};

class Report {
 public:
  virtual ~Report() = default;
  virtual void begin(size_t n_cases) = 0;
  virtual void add(const Result& result) = 0;
  virtual void end() = 0;
};

std::unique_ptr<Report> tap_report();
std::unique_ptr<Report> junit_report(std::string suite);

}  // namespace ringtest
