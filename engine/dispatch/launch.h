// SPDX-License-Identifier: MIT
// The dynamic launch of a platform (PC Client TIS 1.2, 11.3): measured by its processor, not by a command.
#pragma once

#include "engine/state/tpm.h"

namespace tpm::launch {

// Each is a transaction of its own. False, and failure mode, when it is out of order or could not be made durable.
bool start(Tpm& tpm);
bool data(Tpm& tpm, View bytes);
bool end(Tpm& tpm);

}  // namespace tpm::launch
