// SPDX-License-Identifier: MIT
#include "backend/vault/vault.h"

namespace vault {

namespace {

constexpr std::string_view kShape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string text_of(const Uuid& uuid) {
  std::string text;
  size_t nibble = 0;
  for (char shape : kShape) {
    if (shape == '-') {
      text += '-';
      continue;
    }
    unsigned byte = uuid[nibble / 2];
    text += "0123456789abcdef"[nibble % 2 == 0 ? byte >> 4 : byte & 15];
    nibble++;
  }
  return text;
}

std::optional<Uuid> uuid_in(std::string_view text) {
  if (text.size() != kShape.size()) return std::nullopt;
  Uuid uuid{};
  size_t nibble = 0;
  for (size_t i = 0; i < text.size(); i++) {
    if (kShape[i] == '-') {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    int value = digit(text[i]);
    if (value < 0) return std::nullopt;
    uuid[nibble / 2] = static_cast<uint8_t>(uuid[nibble / 2] << 4 | value);
    nibble++;
  }
  return uuid;
}

}  // namespace vault
