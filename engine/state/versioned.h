// SPDX-License-Identifier: MIT
// Versioned<S>: one section of the state. edit() makes a draft on first use; commit() makes it count, abort() drops it. A
// command that changes nothing copies nothing.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

namespace tpm {

template <class S>
class Versioned {
 public:
  const S& operator*() const { return copies_[drafted_ ? 1 - current_ : current_]; }
  const S* operator->() const { return &**this; }

  S& edit() {
    if (!drafted_) {
      copies_[1 - current_] = copies_[current_];
      drafted_ = true;
    }
    return copies_[1 - current_];
  }
  bool drafted() const { return drafted_; }
  void commit() {
    if (drafted_) current_ = 1 - current_;
    drafted_ = false;
  }
  void abort() { drafted_ = false; }

  // Outside of any command: at power on, at load.
  void reset(S fresh) {
    copies_[current_] = std::move(fresh);
    drafted_ = false;
  }

 private:
  std::array<S, 2> copies_{};
  size_t current_ = 0;
  bool drafted_ = false;
};

}  // namespace tpm
