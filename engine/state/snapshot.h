// SPDX-License-Identifier: MIT
// States as bytes: a header, then sections with id, version, length and body. Unknown sections and newer versions are
// refused, never guessed at. The format is described in Documentation/state-format.md.
#pragma once

#include "engine/engine.h"
#include "engine/state/tpm.h"

namespace tpm {

Bytes save_permanent(const Tpm& tpm);
Bytes save_volatile(const Tpm& tpm);
base::Result<void, StateError> load_permanent(Tpm& tpm, View bytes);
base::Result<void, StateError> load_volatile(Tpm& tpm, View bytes);
// Gives the host every volatile section that has a draft.
void journal_drafts(Tpm& tpm);
Bytes volatile_from(std::span<const JournalSection> sections);

}  // namespace tpm
