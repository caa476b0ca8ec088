// SPDX-License-Identifier: MIT
// The loop of a worker: page, engine, page; and what the manager orders in between.
#pragma once

#include "backend/worker/start.h"

namespace backend {

// Serves until told to stop. False: a fresh worker has to go on from the stored state.
bool serve(LiveTpm& tpm);

}  // namespace backend
