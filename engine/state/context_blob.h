// SPDX-License-Identifier: MIT
// Resources as context blobs: what goes into one, and taking it back.
#pragma once

#include "engine/spec/context_structures.h"
#include "engine/state/tpm.h"

namespace tpm {

// The blob with all that `internal` holds encrypted, and its integrity.
ContextBlob close_context(const Tpm& tpm, ContextBlob blob, const Nonce& nonce, View internal);
// The contents of a blob that this TPM has made under its tpmProof: BadContext for any other.
Result<ContextSensitive> open_context(const Tpm& tpm, const ContextBlob& blob);

// A session's entity is there still: ResourceMissing; BadHandle when `handle` does not name it (21.3, action 5.a.ii).
// OIAP sessions have none.
Result<> check_entity_present(const Tpm& tpm, const Session& session, uint32_t handle, uint8_t locality);
// The same for a command that does not tell a handle: a key with the session's digest is loaded.
Result<> check_entity_present(const Tpm& tpm, const Session& session);

// Puts it back under the handle that it had when that is free, else under another: Resources, or NoSpace for a key.
Result<uint32_t> restore(Tpm& tpm, const Session& session);
Result<uint32_t> restore(Tpm& tpm, const Transport& transport);

}  // namespace tpm
