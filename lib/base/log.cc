// SPDX-License-Identifier: MIT
#include "lib/base/log.h"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <string>

namespace base {

namespace {

std::atomic<Level> current_level{Level::Info};

struct Name {
  std::array<char, 64> text{};
  size_t length = 0;
};
Name& name() {
  static Name name;
  return name;
}

}  // namespace

void log_level(Level at_most) { current_level = at_most; }
Level log_level() { return current_level; }

void log_name(std::string_view text) {
  Name& to = name();
  to.length = std::min(text.size(), to.text.size());
  memcpy(to.text.data(), text.data(), to.length);
}

void log(Level level, std::string_view text) {
  if (level > current_level.load()) return;
  std::array<char, 4> prefix = {'<', static_cast<char>('0' + static_cast<int>(level)), '>', 0};
  const Name& from = name();
  std::array<iovec, 5> parts = {{{prefix.data(), 3},
                                 {const_cast<char*>(from.text.data()), from.length},
                                 {const_cast<char*>(": "), from.length > 0 ? size_t{2} : size_t{0}},
                                 {const_cast<char*>(text.data()), text.size()},
                                 {const_cast<char*>("\n"), 1}}};
  // One call, so that records of several processes do not mix; a log that cannot be written stops nobody.
  [[maybe_unused]] ssize_t written = ::writev(STDERR_FILENO, parts.data(), static_cast<int>(parts.size()));
}

std::string plain_text(View untrusted) {
  std::string text;
  for (uint8_t c : untrusted) text += c >= ' ' && c <= '~' ? static_cast<char>(c) : '?';
  return text;
}

Printable::Printable(std::string_view untrusted) : text_{} {
  char* to = text_;
  size_t shown = std::min<size_t>(untrusted.size(), 128);
  for (size_t i = 0; i < shown; i++) {
    auto c = static_cast<unsigned char>(untrusted[i]);
    if (c >= 0x20 && c < 0x7f && c != '\\') {
      *to++ = static_cast<char>(c);
    } else {
      static constexpr std::string_view kHex = "0123456789abcdef";
      *to++ = '\\';
      *to++ = 'x';
      *to++ = kHex[c >> 4];
      *to++ = kHex[c & 15];
    }
  }
  if (untrusted.size() > shown) {
    for (int i = 0; i < 3; i++) *to++ = '.';
  }
  *to = 0;
}

}  // namespace base
