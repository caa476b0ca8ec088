// SPDX-License-Identifier: MIT
// Layouts: which fields a command and its response have, and which of them may be shown. A layout is a text,
// NAME:TYPE for each field in order (Part 3); structures are layouts with a name (Part 2). Only what a type declares
// harmless is shown:
//
//   u8 u16 u32 u64   numbers             ordinal  the number of a command
//   flag             TRUE or FALSE       selection  TPM_PCR_SELECTION
//   handle           a number in hex     bytesN   N bytes: digests, nonces, labels
//   sized            a 32-bit length and public bytes, as a modulus
//   number           the same, shown only when it is at most four bytes
//   hiddenN          N bytes that may be secret
//   hidden           a 32-bit length, shown, and bytes that may be secret
//   hidden-short     the same with a 16-bit length
//   STRUCTURE        its fields; with / between two, the first when its tag stands there
//   [STRUCTURE]      a 32-bit length and nothing, or one structure; anything else is hidden
//   command response a 32-bit length and a command or response, of which the head is shown
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace trace {

struct Layout {
  uint32_t ordinal;
  std::string_view name;
  std::string_view request, response;  // handles and parameters; the sessions follow from the tag
};
// By ordinal.
std::span<const Layout> layouts();
const Layout* layout_of(uint32_t ordinal);

struct Structure {
  std::string_view name, fields;
  uint16_t tag = 0;  // its first two bytes, where they tell it from another
};
std::span<const Structure> structures();
const Structure* structure(std::string_view name);

// What a session adds to a request and to a response.
inline constexpr std::string_view kRequestSession =
    "authHandle:handle nonceOdd:bytes20 continueAuthSession:flag auth:hidden20";
inline constexpr std::string_view kResponseSession = "nonceEven:bytes20 continueAuthSession:flag auth:hidden20";
inline constexpr size_t kRequestSessionBytes = 45, kResponseSessionBytes = 41;

}  // namespace trace
