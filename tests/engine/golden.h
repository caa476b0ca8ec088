// SPDX-License-Identifier: MIT
// States of the engine that are kept with what a TPM in them must answer: tests/data/state/N, made by `make
// golden-state`.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "tests/engine/machine.h"
#include "tests/engine/world.h"

namespace golden {

using client::Bytes;
using client::Digest;

inline const Digest kAreaAuth = client::secret("golden area");
inline const Digest kCounterAuth = client::secret("golden counter");
inline const Digest kTransportAuth = client::secret("golden transport");
inline constexpr uint32_t kArea = 0x1000;
inline constexpr uint32_t kPcr = 10;
inline constexpr uint32_t kRestrictions = 0x90000000;

struct State {
  machine::Snapshot snapshot;
  std::map<std::string, Bytes> answers;
};

State make();
void write(const std::filesystem::path& directory, const State& state);
State read(const std::filesystem::path& directory);

}  // namespace golden
