// SPDX-License-Identifier: MIT
#include "backend/worker/cipher.h"

#include "lib/base/verify.h"

namespace backend {

namespace {

std::array<uint8_t, 12> nonce_bytes(uint64_t nonce) {
  std::array<uint8_t, 12> bytes{};
  for (size_t i = 0; i < 8; i++) bytes[4 + i] = static_cast<uint8_t>(nonce >> (56 - 8 * i));
  return bytes;
}

void update(EVP_CIPHER_CTX* c, uint8_t* to, base::View from) {
  int n = 0;
  VERIFY(from.empty() || EVP_CipherUpdate(c, to, &n, from.data(), static_cast<int>(from.size())) == 1);
}

}  // namespace

Cipher::Cipher(const base::Secret<32>& key)
    : sealing_(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free), opening_(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free) {
  VERIFY(sealing_ != nullptr && opening_ != nullptr);
  VERIFY(EVP_EncryptInit_ex(sealing_.get(), EVP_aes_256_gcm(), nullptr, key.reveal().data(), nullptr) == 1);
  VERIFY(EVP_DecryptInit_ex(opening_.get(), EVP_aes_256_gcm(), nullptr, key.reveal().data(), nullptr) == 1);
}

Tag Cipher::seal(uint64_t nonce, base::View authenticated, base::View plain, std::span<uint8_t> to) {
  VERIFY(plain.size() == to.size());
  EVP_CIPHER_CTX* c = sealing_.get();
  VERIFY(EVP_EncryptInit_ex(c, nullptr, nullptr, nullptr, nonce_bytes(nonce).data()) == 1);
  update(c, nullptr, authenticated);
  update(c, to.data(), plain);
  Tag tag{};
  int n = 0;
  VERIFY(EVP_EncryptFinal_ex(c, tag.data(), &n) == 1);
  VERIFY(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(tag.size()), tag.data()) == 1);
  return tag;
}

bool Cipher::open(uint64_t nonce, base::View authenticated, base::View sealed, const Tag& tag, std::span<uint8_t> to) {
  VERIFY(sealed.size() == to.size());
  EVP_CIPHER_CTX* c = opening_.get();
  VERIFY(EVP_DecryptInit_ex(c, nullptr, nullptr, nullptr, nonce_bytes(nonce).data()) == 1);
  update(c, nullptr, authenticated);
  update(c, to.data(), sealed);
  Tag expected = tag;
  VERIFY(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(expected.size()), expected.data()) == 1);
  std::array<uint8_t, 16> nothing{};
  int n = 0;
  return EVP_DecryptFinal_ex(c, nothing.data(), &n) == 1;
}

}  // namespace backend
