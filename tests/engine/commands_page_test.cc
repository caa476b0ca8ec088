// SPDX-License-Identifier: MIT
// Documentation/commands.md against the TPM itself.
#include <algorithm>
#include <fstream>
#include <regex>

#include "tests/engine/tpm_test.h"

namespace world {

namespace {

struct Line {
  uint32_t ordinal = 0;
  std::string name;
  bool implemented = false;
};

// The page is that of a TPM without the maintenance commands.
#ifdef WITH_MAINTENANCE
bool added(uint32_t ordinal) { return ordinal >= 0x2c && ordinal <= 0x30; }
#else
bool added(uint32_t) { return false; }
#endif

std::vector<Line> read_page() {
  static const std::regex kLine(R"(^\| (0x[0-9a-f]{8}) \| (\w+) \| .*)");
  std::vector<Line> lines;
  std::ifstream page("Documentation/commands.md");
  bool implemented = true;
  std::smatch match;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("## Not implemented")) implemented = false;
    if (!std::regex_match(line, match, kLine)) continue;
    auto ordinal = static_cast<uint32_t>(std::stoul(match[1], nullptr, 16));
    lines.push_back({ordinal, match[2], implemented || added(ordinal)});
  }
  return lines;
}

}  // namespace

class CommandsPage : public StartedTest {};

TEST_F(CommandsPage, ListsEveryOrdinalOfTheSpecificationOnce) {
  std::vector<Line> lines = read_page();
  EXPECT_EQ(lines.size(), 127U);
  std::ranges::sort(lines, {}, &Line::ordinal);
  EXPECT_EQ(std::ranges::adjacent_find(lines, {}, &Line::ordinal), lines.end());
}

TEST_F(CommandsPage, AgreesWithGetCapability) {
  for (const Line& line : read_page()) {
    Bytes answer = tpm.get_capability(1, Out().u32(line.ordinal)).value;
    EXPECT_EQ(answer, Bytes{line.implemented}) << line.name;
  }
}

TEST_F(CommandsPage, AgreesWithWhatIsExecuted) {
  for (const Line& line : read_page()) {
    EXPECT_EQ(tpm.run(line.ordinal).code != rc::BadOrdinal, line.implemented) << line.name;
  }
}

TEST_F(CommandsPage, HasEveryCommandOfTheCatalogue) {
  std::vector<Line> lines = read_page();
  for (const Entry& entry : catalogue()) {
    auto line = std::ranges::find(lines, entry.ordinal, &Line::ordinal);
    EXPECT_TRUE(line != lines.end() && line->implemented) << entry.name;
  }
  EXPECT_EQ(static_cast<size_t>(std::ranges::count(lines, true, &Line::implemented)), catalogue().size());
}

}  // namespace world
