// SPDX-License-Identifier: MIT
// How a process is told which machine it is in, and as which domain.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "tests/loopback/types.h"

namespace loopback {

using Environment = std::map<std::string, std::string>;

// For processes of the domain: XENSTORED_PATH (honoured by libxenstore), XEN_LOOPBACK_SOCKET and XEN_LOOPBACK_DOMID,
// XEN_LOOPBACK_DIR for this program, and LD_PRELOAD with the library beside this program, where there is one.
Environment environment_of(const std::string& directory, DomId domain);
void enter(const Environment& environment);

}  // namespace loopback
