// SPDX-License-Identifier: MIT
// The fields of a command or a response as they stand in its bytes, and which of them are hidden. Bytes that do not
// follow the layout of their ordinal to the last one are hidden, all but the head: nobody knows what they are.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backend/trace/layout.h"
#include "lib/base/bytes.h"

namespace trace {

enum class Look : uint8_t { Number, Handle, Flag, Ordinal, Code, Tag, Bytes, Selection, Hidden };

struct Field {
  std::string name;  // "inKey.algorithmParms.algorithmID"
  size_t at = 0;
  size_t n_bytes = 0;
  Look look = Look::Hidden;
};

enum class Half : uint8_t { Command, Response };
inline constexpr size_t kHeadBytes = 10;

struct Decoded {
  uint32_t ordinal = 0;
  std::optional<uint32_t> code;  // of a response
  bool understood = false;       // to its last byte
  std::vector<Field> fields;     // from the first byte to the last
};
// A response is read as that of `ordinal`; a command says its own.
Decoded decode(base::View frame, Half half, uint32_t ordinal = 0);

// Overwrites what is hidden.
void hide(base::Bytes& frame, Half half, uint32_t ordinal = 0);
inline constexpr uint8_t kHiddenByte = 'X';

}  // namespace trace
