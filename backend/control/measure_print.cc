// SPDX-License-Identifier: MIT
#include "backend/control/measure_print.h"

#include <fmt/format.h>

#include <cstdio>

namespace backend {

using nlohmann::json;

namespace {

// A command line may hold anything; a terminal shall not.
std::string shown(const std::string& text) {
  std::string out;
  for (char c : text) out += c >= ' ' && c <= '~' ? std::string(1, c) : fmt::format("\\x{:02x}", c & 0xff);
  return out;
}

}  // namespace

void print_event_log(const json& answer) {
  const json& log = answer["log"];
  for (const json& event : log["events"]) {
    std::string text = fmt::format("{:>2}  {:<21}  {}  {}\n", event.value("pcr", 0U), event.value("type", ""),
                                   event.value("digest", ""), shown(event.value("text", "")));
    std::fputs(text.c_str(), stdout);
  }
  if (log["events"].empty()) std::puts("nothing was extended in this power cycle before the guest was served");
  for (const auto& [pcr, value] : log["pcrs"].items()) {
    std::puts(fmt::format("PCR-{:0>2} {}", pcr, value.get<std::string>()).c_str());
  }
}

bool write_event_log(const json& answer) {
  std::string digits = answer["log"].value("raw", "");
  std::string bytes;
  for (size_t at = 0; at + 1 < digits.size(); at += 2) {
    bytes += static_cast<char>(std::stoi(digits.substr(at, 2), nullptr, 16));
  }
  return std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size() && std::fflush(stdout) == 0;
}

}  // namespace backend
