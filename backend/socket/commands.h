// SPDX-License-Identifier: MIT
// Commands: whole TPM commands out of a byte stream, however the sender has split or joined them.
#pragma once

#include <cstdint>

#include "lib/base/bytes.h"

namespace socketd {

// The most bytes of a command or response.
inline constexpr uint32_t kBufferBytes = 4088;

class Commands {
 public:
  enum class Next {
    Incomplete,  // more bytes are needed
    Whole,
    BadSize,  // nobody can tell where the next command begins
  };

  void add(base::View bytes) { base::append(bytes_, bytes); }
  Next next(base::Bytes& command);
  void forget() { bytes_.clear(); }

 private:
  base::Bytes bytes_;
};

}  // namespace socketd
