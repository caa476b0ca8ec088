// SPDX-License-Identifier: MIT
// Which sessions are saved outside: each may come back once (Part 3, 21.2 and 21.3).
#pragma once

#include "engine/spec/rc.h"
#include "engine/spec/types.h"

namespace tpm {

struct Contexts {
  static constexpr size_t kSlots = 16;

  struct Saved {
    uint32_t count = 0;  // 0: the slot is free
    bool of_11 = false;  // by a command of version 1.1, which TPM_Reset undoes
  };

  uint32_t count = 0;  // contextCount
  std::array<Saved, kSlots> list{};
  Nonce nonce_11{};  // of what the commands of version 1.1 have saved

  // The count of a session to be saved: TooManyContexts, NoContextSpace.
  Result<uint32_t> add(bool of_11);
  bool holds(uint32_t saved) const;
  bool remove(uint32_t saved);
  void forget_11();
  size_t free_slots() const;
};

}  // namespace tpm
