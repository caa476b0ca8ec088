// SPDX-License-Identifier: MIT
// The key of an encrypted state, from what swtpm's --key options name.
#pragma once

#include "backend/convert/container.h"

namespace convert {

inline constexpr size_t kLargestKeyFile = 256, kLargestPassword = 64 << 10;

// format=hex (up to white space, "0x" may stand before), or format=binary.
Result<FileKey> key_in(base::View content, bool binary);
// kdf=pbkdf2, or kdf=sha512. The whole file is the password, an end of line too.
Result<FileKey> key_from_password(base::View content, bool by_sha512);

}  // namespace convert
