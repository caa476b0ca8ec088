// SPDX-License-Identifier: MIT
// An in-memory platform for the engine, and the machine made of both.
#pragma once

#include <atomic>
#include <functional>
#include <map>

#include "engine/engine.h"
#include "tests/engine/machine.h"

namespace machine {

// Records what the engine commits and journals. Entropy is a hash of a count of
// the whole process: a run can be repeated, and a TPM that is restored does not draw the same nonces again.
class MemoryPlatform : public tpm::Platform {
 public:
  void entropy(std::span<uint8_t> out) override;
  uint64_t now_us() override;
  bool commit(base::View permanent) override;
  void journal(std::span<const tpm::JournalSection> changed) override;
  bool cancelled() override { return cancel_now; }

  // The volatile state as somebody would put it together who had nothing but the journal.
  base::Bytes journalled() const;

  Bytes committed;
  size_t commits = 0;
  bool broken = false;
  std::atomic<bool> cancel_now = false;
  uint64_t clock_us = 1'000'000;
  uint64_t tick_us = 1000;  // how far the clock goes each time it is asked
  std::map<uint16_t, base::Bytes> sections;
};

class EngineMachine : public Machine {
 public:
  explicit EngineMachine(bool with_endorsement_key, tpm::Settings settings = {});
  explicit EngineMachine(const Snapshot& snapshot, tpm::Settings settings = {});

  Bytes execute(const Bytes& command, uint8_t locality) override;
  void power_cycle() override { engine_->power_on(); }
  void let_time_pass(uint64_t seconds) override { platform_.clock_us += seconds * 1'000'000; }
  Snapshot snapshot() override;
  size_t commits() override { return platform_.commits; }
  void break_disk(bool broken) override { platform_.broken = broken; }

  MemoryPlatform& platform() { return platform_; }
  tpm::Engine& engine() { return *engine_; }

 private:
  MemoryPlatform platform_;
  tpm::Settings settings_;
  std::unique_ptr<tpm::Engine> engine_;
};

}  // namespace machine
