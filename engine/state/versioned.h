// SPDX-License-Identifier: MIT
// Versioned<S>: one section of the state. edit() makes a draft on first use; commit() swaps it in, abort() drops it. A
// command that changes nothing copies nothing.
#pragma once

#include <cstdint>
#include <utility>

namespace tpm {

template <class S>
class Versioned {
 public:
  const S& operator*() const { return drafted_ ? draft_ : current_; }
  const S* operator->() const { return &**this; }

  S& edit() {
    if (!drafted_) {
      draft_ = current_;
      drafted_ = true;
    }
    return draft_;
  }
  bool drafted() const { return drafted_; }
  void commit() {
    if (drafted_) std::swap(current_, draft_);
    drafted_ = false;
  }
  void abort() { drafted_ = false; }

  // Outside of any command: at power on, at load.
  void reset(S fresh) {
    current_ = std::move(fresh);
    drafted_ = false;
  }

 private:
  S current_{};
  S draft_{};
  bool drafted_ = false;
};

}  // namespace tpm
