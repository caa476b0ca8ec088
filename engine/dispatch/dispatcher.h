// SPDX-License-Identifier: MIT
// The dispatcher: what every command has in common, in the order the specification wants its errors.
//
//  1 header   2 row   3 pre-checks   4 In   5 parameter digest   6 state   7 tag   8 trailers   9 nothing left
// 10 handles 11 sessions and HMACs 12 action, on drafts 13 response digest, nonces, commit 14 encode in place
//
// A failure up to 9 leaves sessions alone; from 10 on it ends those of the request.
#pragma once

#include "engine/dispatch/transport.h"
#include "engine/state/tpm.h"
#include "lib/base/foreign_bytes.h"

namespace tpm {

// Executes the command and returns the length of the response; always a well-formed one. A command inside an envelope
// leaves its changes as drafts, which the command around it commits.
size_t dispatch(Tpm& tpm, uint8_t locality, base::ForeignBytes command, base::ForeignBytes response,
                const Envelope* envelope = nullptr);

}  // namespace tpm
