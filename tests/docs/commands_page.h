// SPDX-License-Identifier: MIT
// Documentation/commands.md: the table of commands, printed from the rows, from what each command keeps when it
// succeeds, and from the tests that there are.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/engine/tpm_client.h"

namespace docs {

// An ordinal of the specification; `fate` says why it is no command, where it is none.
struct Ordinal {
  uint32_t ordinal = 0;
  std::string name;
  std::string fate;
};
std::vector<Ordinal> read_ordinals(const std::string& path);

// The permanent sections of a state, by id (Documentation/state-format.md).
std::map<uint16_t, client::Bytes> sections_of(const client::Bytes& state);

// How many tests a command's own suite has, by the command's name in small letters and without its prefix.
struct Suite {
  std::string name;
  unsigned n_tests = 0;
};
std::map<std::string, Suite> read_suites(const std::string& folder);
std::string suite_key(std::string_view command);

// The whole page; `root` is the folder of the sources. Empty, with the reason on standard error, when it cannot be.
std::string commands_page(const std::string& root);

}  // namespace docs
