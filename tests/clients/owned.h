// SPDX-License-Identifier: MIT
// Commands of raw_client for a TPM whose owner has the well-known secret: what libtspi cannot send.
#pragma once

#include "tests/engine/stream_transport.h"

namespace clients {

// Makes a counter and increments it N times; prints its name, its values, and which counter is active.
int count(client::Stream& stream, char** args);
// Increments a counter that was made so; prints its value.
int count_on(client::Stream& stream, char** args);
// Uses the owner's delegation in a file, and in row 1 of the table; prints what the TPM answers.
int delegated(client::Stream& stream, char** args);
// TPM_SetTempDeactivated with the operator's secret, 20 times the same byte; prints what the TPM answers.
int deactivate_as_operator(client::Stream& stream, char** args);

}  // namespace clients
