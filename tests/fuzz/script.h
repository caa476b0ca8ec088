// SPDX-License-Identifier: MIT
// A command fuzzer's input: a state and a locality, then steps. Steps are written in terms that mean the same whatever
// keys and nonces a run has drawn: an entry of the catalogue by its ordinal, a session by its kind, a key by its
// number.
//
//   state:1 locality:1 step*
//   step  'F' size:2 frame               as it is
//         'C' ordinal:4 n:1 edit*n       what the catalogue does, changed before it is proven; first step only
//         'G' ordinal:1 shape:1 ...      a command put together from choices
//         'T' n:1 (proof:1 at:2 bit:1)   as the step before it, sent again with a bit of what is proven changed
//         'P' power cycle   'D' the disk breaks   'd' it is mended   'S' save, load, go on
//   edit  at:2 value:1
#pragma once

#include "engine/engine.h"
#include "tests/engine/engine_machine.h"
#include "tests/engine/world.h"
#include "tests/fuzz/input.h"

namespace fuzz {

using client::Bytes;
using client::Command;
using client::Prepared;

inline constexpr size_t kMostSteps = 24;
// The ordinals a 'G' step chooses among: those of the catalogue, in its order.
const std::vector<uint32_t>& ordinals();

class Script {
 public:
  // Runs the whole input; aborts where a law is broken.
  static void run(std::span<const uint8_t> input);

 private:
  explicit Script(world::Stage stage) : world_(stage) {}
  void step(Input& input, bool first);
  void frame(Input& input);
  void catalogue(Input& input);
  void grammar(Input& input);
  void tamper(Input& input);
  void reload();

  client::Proof proof(Input& input);
  uint32_t handle(Input& input);
  uint32_t send(const Prepared& prepared, bool must_fail);
  Bytes exchange(const Bytes& frame);
  machine::EngineMachine& engine() { return static_cast<machine::EngineMachine&>(world_.machine()); }

  world::World world_;
  std::vector<client::Session> sessions_;
  std::vector<uint32_t> keys_;
  Prepared last_;
  bool wrong_proof_ = false;
};

}  // namespace fuzz
