// SPDX-License-Identifier: MIT
// `vtpmctl import --swtpm`: finds what swtpm left in its directory, keeps swtpm out while it is taken over, and hands
// it to the manager without looking into it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace backend {

struct SwtpmImport {
  std::string runtime, directory;
  std::string uuid, label;                               // an empty uuid: a new one
  std::string key_file, key_format, password_file, kdf;  // as swtpm's --key names them; empty: none
  bool yes = false;
};

// The manager's answer, or why it was not asked.
nlohmann::json import_from_swtpm(const SwtpmImport& import);
void print_swtpm(const nlohmann::json& answer);

}  // namespace backend
