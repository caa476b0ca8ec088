// SPDX-License-Identifier: MIT
#include "tests/docs/commands_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "engine/dispatch/command.h"
#include "tests/engine/world.h"

namespace docs {

namespace {

std::string join(const std::vector<std::string>& words) {
  return words.empty() ? "-" : fmt::format("{}", fmt::join(words, ", "));
}

std::string gates(const tpm::Needs& needs) {
  std::vector<std::string> words;
  if (needs.enabled) words.emplace_back("enabled");
  if (needs.activated) words.emplace_back("active");
  if (needs.owner) words.emplace_back("owned");
  std::string text = join(words);
  return needs.nv_noauth ? text + " once nvLocked" : text;
}

std::string protocol(tpm::Protocol wanted) {
  switch (wanted) {
    case tpm::Protocol::Oiap:
      return " by OIAP";
    case tpm::Protocol::Osap:
      return " by OSAP";
    default:
      return "";
  }
}

std::string slots(const tpm::CommandRow& row) {
  std::vector<std::string> words;
  for (size_t i = 0; i < row.n_auth; i++) {
    const tpm::AuthSlot& slot = row.auth[i];
    std::string who = slot.kind == tpm::AuthSlot::Kind::Key     ? "key"
                      : slot.kind == tpm::AuthSlot::Kind::Owner ? "owner"
                                                                : "found";
    words.push_back(fmt::format("{}{}{}", who, protocol(slot.protocol), slot.optional ? "?" : ""));
  }
  return join(words);
}

template <class Permission>
std::string bit(const char* of, Permission permission) {
  return fmt::format("{} {}", of, std::countr_zero(static_cast<uint32_t>(permission)));
}

std::string delegation(const tpm::CommandRow& row) {
  std::vector<std::string> words;
  if (row.owner_permission != tpm::OwnerPermission::None) words.push_back(bit("owner", row.owner_permission));
  if (row.key_permission != tpm::KeyPermission::None) words.push_back(bit("key", row.key_permission));
  return join(words);
}

std::string audit(tpm::Audit audit) {
  return audit == tpm::Audit::ByDefault ? "yes" : audit == tpm::Audit::Never ? "never" : "no";
}

// Section names as state-format.md has them, by id.
std::map<uint16_t, std::string> read_section_names(const std::string& path) {
  std::map<uint16_t, std::string> names;
  static const std::regex kLine(R"(^\| (0x[0-9a-f]+|[0-9]+) \| ([^|]+) \| `.*)");
  std::ifstream file(path);
  std::smatch match;
  for (std::string line; std::getline(file, line);) {
    if (!std::regex_match(line, match, kLine)) continue;
    std::string name = match[2];
    names[static_cast<uint16_t>(std::stoul(match[1], nullptr, 0))] = name.substr(0, name.find_first_of(",:"));
  }
  return names;
}

// The ids of the permanent sections that the command changes when it succeeds.
std::vector<uint16_t> kept_by(const world::Entry& entry) {
  world::World w(entry.stage);
  client::Command command = entry.make(w);
  w.tpm.locality = entry.locality;
  auto before = sections_of(w.machine().snapshot().permanent);
  world::World::must(w.tpm.run(command), entry.name);
  auto after = sections_of(w.machine().snapshot().permanent);
  std::vector<uint16_t> ids;
  for (const auto& [id, body] : after) {
    if (before[id] != body) ids.push_back(id);
  }
  return ids;
}

class Page {
 public:
  explicit Page(const std::string& root)
      : ordinals_(read_ordinals(root + "/tests/docs/ordinals.txt")),
        suites_(read_suites(root + "/tests/engine")),
        sections_(read_section_names(root + "/Documentation/state-format.md")) {}

  std::string print() {
    std::string commands, others;
    size_t n_commands = 0;
    for (const Ordinal& ordinal : ordinals_) {
      const tpm::CommandRow* row = tpm::find_command(ordinal.ordinal);
      if (row != nullptr) {
        commands += line_of(*row);
        n_commands++;
      } else {
        others += fmt::format("| 0x{:08x} | {} | {} |\n", ordinal.ordinal, ordinal.name,
                              ordinal.fate.empty() ? "missing" : ordinal.fate);
      }
    }
    return fmt::format(fmt::runtime(kText), n_commands, commands, ordinals_.size() - n_commands, others);
  }

 private:
  // clang-format off
  static constexpr const char* kText = R"(# Commands

Printed by `make docs` from the rows of the chapters, from what each command changes in the permanent state when it succeeds,
and from the tests; `make check` fails when it is stale.

gates: the states in which alone the command runs; a TPM in failure mode runs none but those that say so in Part 3, 4.3.
sessions: whose secret each proves; `found` is one that only the action can find, `?` may be missing.
delegation: the bit of Part 2, 20.2. audit: whether the command is audited until the owner says otherwise.
transport: whether it may be wrapped. keeps: the parts of the permanent state that it changes, beside the audit counter.
tests: the command's own suite and its number of tests, and the laws of `laws_test.cc`, which run over every command.

## Implemented: {}

| ordinal | command | gates | sessions | delegation | audit | transport | keeps | tests |
|---|---|---|---|---|---|---|---|---|
{}
## Not implemented: {}

`off`: optional, and why this TPM has it not. `deleted`: not in revision 116. `missing`: in revision 116, and not here.

| ordinal | name | |
|---|---|---|
{})";
  // clang-format on

  std::string line_of(const tpm::CommandRow& row) {
    auto entry = std::ranges::find(world::catalogue(), row.ordinal, &world::Entry::ordinal);
    bool in_catalogue = entry != world::catalogue().end();
    return fmt::format("| 0x{:08x} | {} | {} | {} | {} | {} | {} | {} | {} |\n", row.ordinal, row.name,
                       gates(row.needs), slots(row), delegation(row), audit(row.audit), row.wrappable ? "yes" : "no",
                       in_catalogue ? keeps(row, *entry) : "?", tests(row, in_catalogue ? &*entry : nullptr));
  }

  std::string keeps(const tpm::CommandRow& row, const world::Entry& entry) {
    constexpr uint16_t kAudit = 8;
    std::vector<std::string> words;
    for (uint16_t id : kept_by(entry)) {
      bool counter_only = id == kAudit && row.audit == tpm::Audit::ByDefault && row.name != "TPM_SetOrdinalAuditStatus";
      if (!counter_only) words.push_back(sections_.contains(id) ? sections_[id] : fmt::format("section {}", id));
    }
    return join(words);
  }

  std::string tests(const tpm::CommandRow& row, const world::Entry* entry) {
    std::vector<std::string> words;
    auto suite = suites_.find(suite_key(row.name));
    if (suite != suites_.end()) words.push_back(fmt::format("{} {}", suite->second.name, suite->second.n_tests));
    if (entry != nullptr) words.emplace_back("laws");
    return join(words);
  }

  std::vector<Ordinal> ordinals_;
  std::map<std::string, Suite> suites_;
  std::map<uint16_t, std::string> sections_;
};

}  // namespace

std::vector<Ordinal> read_ordinals(const std::string& path) {
  std::vector<Ordinal> ordinals;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    Ordinal ordinal;
    std::string number;
    words >> number >> ordinal.name >> std::ws;
    std::getline(words, ordinal.fate);
    ordinal.ordinal = static_cast<uint32_t>(std::stoul(number, nullptr, 16));
    ordinals.push_back(ordinal);
  }
  return ordinals;
}

std::map<uint16_t, client::Bytes> sections_of(const client::Bytes& state) {
  client::In in(state);
  in.raw(7);  // magic, format, kind
  std::map<uint16_t, client::Bytes> sections;
  for (uint16_t n = in.u16(); n > 0; n--) {
    uint16_t id = in.u16();
    in.u16();  // version
    sections[id] = in.sized();
  }
  return sections;
}

std::string suite_key(std::string_view command) {
  std::string key(command.substr(command.find('_') == 3 ? 4 : 0));
  std::erase(key, '_');
  std::ranges::transform(key, key.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return key;
}

std::map<std::string, Suite> read_suites(const std::string& folder) {
  static const std::regex kTest(R"(^TEST(_F|_P)?\((\w+),.*)");
  std::map<std::string, Suite> suites;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    if (!file.path().string().ends_with("_test.cc")) continue;
    std::ifstream in(file.path());
    std::smatch match;
    for (std::string line; std::getline(in, line);) {
      if (!std::regex_match(line, match, kTest)) continue;
      Suite& suite = suites[suite_key(match[2].str())];
      suite.name = match[2];
      suite.n_tests++;
    }
  }
  return suites;
}

std::string commands_page(const std::string& root) { return Page(root).print(); }

}  // namespace docs
