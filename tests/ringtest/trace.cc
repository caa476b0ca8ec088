// SPDX-License-Identifier: MIT
#include "tests/ringtest/trace.h"

#include <fstream>
#include <sstream>

namespace ringtest {

namespace {

constexpr char kMagic[] = "vtpm-ringtest trace 1";

std::string one_line(std::string text) {
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  return text;
}

std::vector<std::string> deeds(const std::vector<Step>& steps) {
  std::vector<std::string> texts;
  for (const Step& step : steps) {
    if (step.done_by_us) texts.push_back(step.text);
  }
  return texts;
}

}  // namespace

void Trace::begin() {
  std::lock_guard lock(mutex_);
  begun_ = std::chrono::steady_clock::now();
  steps_.clear();
}

void Trace::add(bool by_us, std::string text) {
  std::lock_guard lock(mutex_);
  auto since = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun_);
  steps_.push_back({by_us, static_cast<long>(since.count()), one_line(std::move(text))});
}

std::vector<Step> Trace::steps() const {
  std::lock_guard lock(mutex_);
  return steps_;
}

bool write(const Recording& recording, const std::string& path) {
  std::ofstream file(path);
  file << kMagic << "\nrole " << recording.role << "\ncase " << recording.name << "\nseed " << recording.seed
       << "\nrun " << recording.run << "\nfailure " << one_line(recording.failure) << '\n';
  for (const Step& step : recording.steps) {
    file << (step.done_by_us ? "did " : "saw ") << step.at_ms << ' ' << step.text << '\n';
  }
  return file.good();
}

std::optional<Recording> read(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line) || line != kMagic) return std::nullopt;
  Recording recording;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string kind;
    words >> kind;
    if (kind == "role") words >> recording.role;
    if (kind == "case") words >> recording.name;
    if (kind == "seed") words >> recording.seed;
    if (kind == "run") words >> recording.run;
    if (kind == "failure") std::getline(words >> std::ws, recording.failure);
    if (kind != "did" && kind != "saw") continue;
    Step step{.done_by_us = kind == "did"};
    words >> step.at_ms;
    words.get();
    std::getline(words, step.text);
    recording.steps.push_back(step);
  }
  if (recording.role.empty() || recording.name.empty()) return std::nullopt;
  return recording;
}

std::optional<std::string> difference(const std::vector<Step>& recorded, const std::vector<Step>& now) {
  std::vector<std::string> before = deeds(recorded), after = deeds(now);
  for (size_t i = 0; i < std::max(before.size(), after.size()); i++) {
    std::string was = i < before.size() ? before[i] : "nothing", is = i < after.size() ? after[i] : "nothing";
    if (was != is) return "deed " + std::to_string(i + 1) + " was \"" + was + "\", is \"" + is + "\"";
  }
  return std::nullopt;
}

}  // namespace ringtest
