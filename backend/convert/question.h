// SPDX-License-Identifier: MIT
// What vtpmctl hands over for vtpm-convert: a memfd that nobody in between reads.
#pragma once

#include "lib/base/secret.h"
#include "lib/wire/sized.h"

namespace convert {

// The descriptor of the memfd in vtpm-convert; the channel is message::kManagerFd.
inline constexpr int kQuestionFd = 4;
inline constexpr size_t kLargestState = 512 << 10;
inline constexpr size_t kLargestQuestion = kLargestState + 256;

struct Question {
  uint8_t version = 1;
  wire::SizedBytes key;  // empty: none
  bool key_of_password = false;
  bool saved_state = false;     // whether there is what TPM_SaveState left
  bool volatile_state = false;  // or what a running swtpm was stopped with
  wire::SizedBytes file;        // tpm-00.permall
};

}  // namespace convert
