// SPDX-License-Identifier: MIT
// TPM_MigrateKey by raw_client: libtspi has no function for it.
#pragma once

#include "tests/engine/stream_transport.h"

namespace clients {

// A key goes from this TPM to one at the ADDRESS given, by way of a migration authority in that one; prints whether it
// signs there what OpenSSL verifies with the old public key.
int migrate(client::Stream& stream, char** args);

}  // namespace clients
