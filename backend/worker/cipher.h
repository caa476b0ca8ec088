// SPDX-License-Identifier: MIT
// Cipher: AES-256-GCM under one key, with a counter as nonce, without allocations once it is made.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <memory>

#include "lib/base/bytes.h"
#include "lib/base/secret.h"

namespace backend {

using Tag = std::array<uint8_t, 16>;

class Cipher {
 public:
  explicit Cipher(const base::Secret<32>& key);

  // `to` has the plain text's size. A nonce must never be used for two texts.
  Tag seal(uint64_t nonce, base::View authenticated, base::View plain, std::span<uint8_t> to);
  // False when anything is not as it was sealed; `to` then holds nothing to be trusted.
  [[nodiscard]] bool open(uint64_t nonce, base::View authenticated, base::View sealed, const Tag& tag,
                          std::span<uint8_t> to);

 private:
  using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;
  Context sealing_, opening_;
};

}  // namespace backend
