// SPDX-License-Identifier: MIT
// A file of swtpm's state directory: a header, then the state of libtpms, plain or encrypted.
#pragma once

#include "backend/convert/reason.h"
#include "lib/base/bytes.h"
#include "lib/base/secret.h"

namespace convert {

// What the file is encrypted with. From a password as many bytes are made as the longest key has, of which a shorter
// one is the beginning; a key from a file is as long as it is.
struct FileKey {
  base::SecretBytes bytes;
  bool of_password = false;
};

inline constexpr size_t kShortKey = 16, kLongKey = 32;

// What is in the file. An empty key: it must be plain; any other one: it must be encrypted.
Result<base::Bytes> open_container(base::View file, const FileKey& key);

}  // namespace convert
