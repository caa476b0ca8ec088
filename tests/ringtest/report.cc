// SPDX-License-Identifier: MIT
#include "tests/ringtest/report.h"

#include <cstdio>
#include <iostream>
#include <sstream>

namespace ringtest {

namespace {

void comment(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) std::cout << "#   " << line << '\n';
}

class Tap : public Report {
 public:
  void begin(size_t n_cases) override { std::cout << "TAP version 13\n1.." << n_cases << std::endl; }
  void add(const Result& result) override {
    std::cout << (result.verdict == Result::Verdict::Failed ? "not ok " : "ok ") << ++count_ << " - " << result.name;
    if (result.verdict == Result::Verdict::Skipped) std::cout << " # SKIP " << result.why;
    std::cout << '\n';
    for (const std::string& note : result.notes) std::cout << "# " << note << '\n';
    if (result.verdict == Result::Verdict::Failed) {
      failed_++;
      std::cout << "# " << result.why << "\n# the rule: " << result.rule << '\n';
      comment(result.details);
      if (!result.trace.empty()) std::cout << "# again: vtpm-ringtest --replay " << result.trace << '\n';
    }
    std::cout << std::flush;
  }
  void end() override {
    std::cout << "# " << count_ - failed_ << " of " << count_ << " cases passed or were skipped" << std::endl;
  }

 private:
  size_t count_ = 0, failed_ = 0;
};

std::string escaped(const std::string& text) {
  std::string to;
  for (char c : text) {
    switch (c) {
      case '&':
        to += "&amp;";
        break;
      case '<':
        to += "&lt;";
        break;
      case '>':
        to += "&gt;";
        break;
      case '"':
        to += "&quot;";
        break;
      case '\n':
        to += "&#10;";
        break;
      default:
        // XML knows no other control characters, and a guest may have written anything.
        to += static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f ? '?' : c;
    }
  }
  return to;
}

std::string seconds(milliseconds took) {
  char text[32];
  snprintf(text, sizeof(text), "%.3f", static_cast<double>(took.count()) / 1000);
  return text;
}

class Junit : public Report {
 public:
  explicit Junit(std::string suite) : suite_(std::move(suite)) {}
  void begin(size_t) override {}
  void add(const Result& result) override {
    all_ << "  <testcase classname=\"" << suite_ << "\" name=\"" << escaped(result.name) << "\" time=\""
         << seconds(result.took) << "\">\n";
    count_++;
    took_ += result.took;
    if (result.verdict == Result::Verdict::Skipped) {
      skipped_++;
      all_ << "    <skipped message=\"" << escaped(result.why) << "\"/>\n";
    }
    if (result.verdict == Result::Verdict::Failed) {
      failed_++;
      all_ << "    <failure message=\"" << escaped(result.why) << "\">" << escaped(result.details) << "</failure>\n";
    }
    std::string notes;
    for (const std::string& note : result.notes) notes += note + "\n";
    if (!notes.empty()) all_ << "    <system-out>" << escaped(notes) << "</system-out>\n";
    all_ << "  </testcase>\n";
  }
  void end() override {
    std::cout << "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"" << suite_ << "\" tests=\"" << count_
              << "\" failures=\"" << failed_ << "\" skipped=\"" << skipped_ << "\" time=\"" << seconds(took_) << "\">\n"
              << all_.str() << "</testsuite>" << std::endl;
  }

 private:
  std::string suite_;
  std::ostringstream all_;
  size_t count_ = 0, failed_ = 0, skipped_ = 0;
  milliseconds took_{};
};

}  // namespace

std::unique_ptr<Report> tap_report() { return std::make_unique<Tap>(); }
std::unique_ptr<Report> junit_report(std::string suite) { return std::make_unique<Junit>(std::move(suite)); }

}  // namespace ringtest
