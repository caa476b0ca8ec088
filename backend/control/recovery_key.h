// SPDX-License-Identifier: MIT
// Recovery keys as openssl(1) makes them: X25519 in PEM. The private half stays with vtpmctl.
#pragma once

#include <optional>
#include <string>

#include "backend/vault/backup.h"

namespace backend {

// Nothing when that is none, which has been said.
std::optional<vault::HostKey> read_recovery_key(const std::string& path);
// The key of the backup in `file`, by the private half in `path`, whose passphrase is asked for when it has one.
std::optional<base::Secret<32>> recover_file_key(const std::string& path, base::View file);

}  // namespace backend
