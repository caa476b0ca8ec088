// SPDX-License-Identifier: MIT
// Host: what the engine asks for when it stands alone: the kernel's entropy and clock, and a file or nothing to keep
// its state in.
#pragma once

#include <functional>

#include "backend/socket/ending.h"
#include "backend/socket/state_file.h"
#include "engine/platform.h"

namespace socketd {

class Host : public tpm::Platform {
 public:
  // `file` may be null: the TPM is forgotten when the process ends.
  Host(const Ending& ending, const StateFile* file) : ending_(ending), file_(file) {}

  void entropy(std::span<uint8_t> out) override;
  uint64_t now_us() override;
  bool commit(base::View permanent) override { return file_ == nullptr || file_->write(Part::Permanent, permanent); }
  // The end of this process is the end of the TPM's power: nothing volatile outlives it.
  void journal(std::span<const tpm::JournalSection>) override {}
  // Once true, it stays so until the next command: a computation asks more than once.
  bool cancelled() override {
    cancelled_ = cancelled_ || ending_.asked() || (cancel_asked_ && cancel_asked_());
    return cancelled_;
  }
  void next_command() { cancelled_ = false; }
  // Another reason to give up what is being computed.
  void cancel_when(std::function<bool()> asked) { cancel_asked_ = std::move(asked); }

 private:
  const Ending& ending_;
  const StateFile* file_;
  std::function<bool()> cancel_asked_;
  bool cancelled_ = false;
};

}  // namespace socketd
