// SPDX-License-Identifier: MIT
// OAEP's encoding by itself, without RSA and without padding: seed and label hash carry data of their own.
#pragma once

#include <optional>

#include "engine/spec/types.h"

namespace tpm::crypto {

struct OaepParts {
  Bytes message;
  Secret label_hash;
  Secret seed;
};

// 41 bytes more than the message.
Bytes oaep_encode(const OaepParts& parts);
// Nothing when the bytes are no encoding.
std::optional<OaepParts> oaep_decode(View encoded);

}  // namespace tpm::crypto
