// SPDX-License-Identifier: MIT
// The runner: brings a half to where a case begins, runs it, and keeps what is wanted of one that fails.
#pragma once

#include <algorithm>
#include <filesystem>

#include "tests/ringtest/report.h"

namespace ringtest {

struct Plan {
  std::string role;
  std::vector<std::string> names;  // patterns with *; empty: all
  unsigned repeat = 1;
  uint64_t seed = 1;
  std::string traces;  // a directory; empty: none are written
  std::optional<Recording> replayed;
};

bool matches(const std::string& pattern, const std::string& name);
// One for each case and run, whatever else is run beside it.
uint64_t seed_of(const Plan& plan, const std::string& name, unsigned run);
std::string trace_path(const Plan& plan, const std::string& name, unsigned run);

template <class H, class C>
class Runner {
 public:
  Runner(H& half, const Plan& plan, Report& report) : half_(half), plan_(plan), report_(report) {}

  // The number of failures.
  size_t run(const std::vector<C>& cases) {
    unsigned first = plan_.replayed ? plan_.replayed->run : 0, last = first + (plan_.replayed ? 1 : plan_.repeat);
    report_.begin(cases.size() * (last - first));
    size_t failures = 0;
    for (unsigned i = first; i < last; i++) {
      for (const C& one : cases) {
        Result result = run(one, i);
        failures += result.verdict == Result::Verdict::Failed;
        report_.add(result);
      }
    }
    report_.end();
    return failures;
  }

 private:
  Result run(const C& one, unsigned i) {
    Result result{.name = one.name, .rule = std::string(one.rule) + " (" + one.source + ")"};
    if (plan_.repeat > 1) result.name += " #" + std::to_string(i + 1);
    half_.begin(seed_of(plan_, one.name, i));
    Clock::time_point begun = Clock::now();
    Outcome<> done = half_.bring_to(one.start);
    std::string before = picture();
    if (done.ok()) {
      half_.begin(seed_of(plan_, one.name, i));
      done = one.run(half_);
    } else if (!done.error().skipped) {
      done = failed("before the case: " + done.error().text);
    }
    result.took = std::chrono::duration_cast<milliseconds>(Clock::now() - begun);
    result.notes = half_.notes();
    if (!done.ok()) {
      result.verdict = done.error().skipped ? Result::Verdict::Skipped : Result::Verdict::Failed;
      result.why = done.error().text;
    }
    if (result.verdict == Result::Verdict::Failed) keep(one, i, before, result);
    if (plan_.replayed) compare(result);
    return result;
  }

  std::string picture() const {
    std::string page = half_.page_dump();
    return "XenStore:\n" + half_.store_dump() + (page.empty() ? "no page\n" : "page: " + page);
  }

  void keep(const C& one, unsigned i, const std::string& before, Result& result) {
    result.details = "before\n" + before + "after\n" + picture() + "the last steps\n";
    std::vector<Step> steps = half_.trace.steps();
    constexpr size_t kShown = 12;
    for (size_t at = steps.size() > kShown ? steps.size() - kShown : 0; at < steps.size(); at++) {
      result.details += std::to_string(steps[at].at_ms) + " ms " + (steps[at].done_by_us ? "did " : "saw ") +
                        steps[at].text.substr(0, 200) + "\n";
    }
    if (plan_.traces.empty()) return;
    Recording recording{plan_.role, one.name, result.why, plan_.seed, i, steps};
    std::string path = trace_path(plan_, one.name, i);
    if (write(recording, path)) result.trace = path;
  }

  void compare(Result& result) const {
    auto differs = difference(plan_.replayed->steps, half_.trace.steps());
    result.notes.push_back("was: " + (plan_.replayed->failure.empty() ? "passed" : plan_.replayed->failure));
    result.notes.push_back(differs ? "not the same run: " + *differs : "the kit did the same");
  }

  H& half_;
  const Plan& plan_;
  Report& report_;
};

}  // namespace ringtest
