// SPDX-License-Identifier: MIT
// Commands in any state, with sessions that are valid enough to get behind the gates (script.h).
#include <cstring>

#include "tests/fuzz/script.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Script::run({data, size});
  return 0;
}

namespace {

// A frame step whose size field says what the frame has, or a step put in front or behind.
size_t fix_sizes(uint8_t* data, size_t size) {
  for (size_t i = 2; i + 13 <= size; i++) {
    if (data[i] != 'F' || data[i + 3] != 0) continue;
    size_t n = std::min<size_t>(static_cast<size_t>(data[i + 1]) << 8 | data[i + 2], size - i - 3);
    if (n < 10) continue;
    data[i + 1] = static_cast<uint8_t>(n >> 8);
    data[i + 2] = static_cast<uint8_t>(n);
    uint8_t* field = data + i + 5;
    field[0] = field[1] = 0;
    field[2] = static_cast<uint8_t>(n >> 8);
    field[3] = static_cast<uint8_t>(n);
    i += 2 + n;
  }
  return size;
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  // One step more, of a kind the input may not have.
  if (seed % 5 == 0 && size >= 2 && size + 8 <= most) {
    static constexpr char kKinds[] = "FGGGGTTPDdS";
    data[size++] = static_cast<uint8_t>(kKinds[seed / 5 % (sizeof kKinds - 1)]);
    for (unsigned i = 0; i < 7; i++) data[size++] = static_cast<uint8_t>(seed >> (i * 4));
  }
  size = LLVMFuzzerMutate(data, size, most);
  return seed % 8 == 0 ? size : fix_sizes(data, size);
}
