// SPDX-License-Identifier: MIT
// One line a record on standard error, with the systemd priority prefix; never a byte that a guest chose.
#pragma once

#include <string>
#include <string_view>

#include "lib/base/bytes.h"

namespace base {

enum class Level { Error = 3, Warning = 4, Notice = 5, Info = 6, Debug = 7 };

void log_level(Level at_most);
Level log_level();
// Which program and which of its instances speaks, put before every record.
void log_name(std::string_view name);
void log(Level level, std::string_view text);

// Text from outside (XenStore values, file names) made harmless for a terminal or a log: printable ASCII, at most
// 128 characters, the rest as \xNN.
class Printable {
 public:
  explicit Printable(std::string_view untrusted);
  const char* c_str() const { return text_; }
  std::string_view view() const { return text_; }

 private:
  char text_[4 * 128 + 4];
};

// The same of any length, with a question mark for each byte of the rest.
std::string plain_text(View untrusted);

}  // namespace base
