// SPDX-License-Identifier: MIT
#include "engine/crypto/symmetric.h"

#include "engine/crypto/openssl.h"
#include "lib/base/verify.h"

namespace tpm::crypto {

namespace {

void stream(EVP_CIPHER* cipher, std::span<const uint8_t, 16> key, std::span<const uint8_t, 16> iv,
            std::span<uint8_t> data) {
  CipherCtx ctx(EVP_CIPHER_CTX_new());
  int n = 0;
  VERIFY(cipher != nullptr && ctx != nullptr);
  VERIFY(EVP_EncryptInit_ex2(ctx.get(), cipher, key.data(), iv.data(), nullptr) == 1);
  VERIFY(EVP_EncryptUpdate(ctx.get(), data.data(), &n, data.data(), static_cast<int>(data.size())) == 1);
}

}  // namespace

void aes128_ctr(std::span<const uint8_t, 16> key, std::span<const uint8_t, 16> iv, std::span<uint8_t> data) {
  static EVP_CIPHER* const kCipher = EVP_CIPHER_fetch(nullptr, "AES-128-CTR", nullptr);
  stream(kCipher, key, iv, data);
}

void aes128_ofb(std::span<const uint8_t, 16> key, std::span<const uint8_t, 16> iv, std::span<uint8_t> data) {
  static EVP_CIPHER* const kCipher = EVP_CIPHER_fetch(nullptr, "AES-128-OFB", nullptr);
  stream(kCipher, key, iv, data);
}

}  // namespace tpm::crypto
