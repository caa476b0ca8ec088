// SPDX-License-Identifier: MIT
// Direct anonymous attestation by raw_client: libtspi has none.
#pragma once

#include "tests/engine/stream_transport.h"

namespace clients {

// The TPM joins an issuer and signs; prints whether somebody who knows the issuer's numbers alone accepts the
// signature, and whether he does for another message.
int daa(client::Stream& stream, char** args);

}  // namespace clients
