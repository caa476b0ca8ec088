// SPDX-License-Identifier: MIT
#include "backend/vault/seal.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <memory>

#include "lib/base/verify.h"

namespace vault {

namespace {

constexpr std::array<uint8_t, 8> kMagic = {'V', 'T', 'P', 'M', 'S', 'E', 'A', 'L'};
constexpr uint8_t kVersion = 1;
constexpr const char* kInfo = "vtpm envelope";
constexpr size_t kEpochAt = 10;
constexpr size_t kSaltAt = 18;
constexpr size_t kSaltBytes = 32;
constexpr size_t kHeaderBytes = kSaltAt + kSaltBytes;  // everything that is authenticated, besides the uuid
constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;
constexpr size_t kOverhead = kHeaderBytes + kNonceBytes + kTagBytes;

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;
using Kdf = std::unique_ptr<EVP_KDF, decltype(&EVP_KDF_free)>;
using KdfContext = std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)>;

// A context with key, nonce and authenticated data taken in.
CipherContext begin(bool encrypting, const base::Secret<32>& key, base::View nonce, const Uuid& uuid,
                    base::View header) {
  CipherContext c(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  VERIFY(c != nullptr);
  VERIFY(EVP_CipherInit_ex(c.get(), EVP_aes_256_gcm(), nullptr, key.reveal().data(), nonce.data(), encrypting) == 1);
  int n = 0;
  VERIFY(EVP_CipherUpdate(c.get(), nullptr, &n, uuid.data(), static_cast<int>(uuid.size())) == 1);
  VERIFY(EVP_CipherUpdate(c.get(), nullptr, &n, header.data(), static_cast<int>(header.size())) == 1);
  return c;
}

bool has_our_header(base::View envelope) {
  return envelope.size() >= kOverhead && std::equal(kMagic.begin(), kMagic.end(), envelope.begin()) &&
         envelope[8] == kVersion;
}

void put_epoch(uint64_t epoch, uint8_t* to) {
  for (size_t i = 0; i < 8; i++) to[i] = static_cast<uint8_t>(epoch >> (56 - 8 * i));
}

}  // namespace

base::Secret<32> derive(const base::Secret<32>& secret, base::View salt, std::string info) {
  Kdf kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr), EVP_KDF_free);
  VERIFY(kdf != nullptr);
  KdfContext context(EVP_KDF_CTX_new(kdf.get()), EVP_KDF_CTX_free);
  VERIFY(context != nullptr);
  char digest[] = "SHA256";
  // OpenSSL's parameters take pointers to what they only read.
  const std::array<OSSL_PARAM, 5> params = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, const_cast<uint8_t*>(secret.reveal().data()),
                                        secret.reveal().size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, const_cast<uint8_t*>(salt.data()), salt.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data(), info.size()), OSSL_PARAM_construct_end()};
  base::Secret<32> derived;
  VERIFY(EVP_KDF_derive(context.get(), derived.fill().data(), derived.fill().size(), params.data()) == 1);
  return derived;
}

base::Bytes seal(const InstanceKey& key, const Uuid& uuid, Purpose purpose, uint64_t epoch, base::View plain) {
  VERIFY(plain.size() <= INT32_MAX);
  base::Bytes out(kOverhead + plain.size());
  std::copy(kMagic.begin(), kMagic.end(), out.begin());
  out[8] = kVersion;
  out[9] = static_cast<uint8_t>(purpose);
  put_epoch(epoch, out.data() + kEpochAt);
  VERIFY(RAND_bytes(out.data() + kSaltAt, kSaltBytes + kNonceBytes) == 1);

  base::View header = base::View(out).first(kHeaderBytes);
  base::View nonce = base::View(out).subspan(kHeaderBytes, kNonceBytes);
  CipherContext c = begin(true, derive(key, header.subspan(kSaltAt), kInfo), nonce, uuid, header);
  uint8_t* text = out.data() + kHeaderBytes + kNonceBytes;
  int n = 0;
  VERIFY(plain.empty() || EVP_CipherUpdate(c.get(), text, &n, plain.data(), static_cast<int>(plain.size())) == 1);
  VERIFY(EVP_CipherFinal_ex(c.get(), text + plain.size(), &n) == 1);
  VERIFY(EVP_CIPHER_CTX_ctrl(c.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, text + plain.size()) == 1);
  return out;
}

std::optional<base::Bytes> unseal(const InstanceKey& key, const Uuid& uuid, Purpose purpose, uint64_t epoch,
                                  base::View envelope) {
  if (!has_our_header(envelope) || envelope[9] != static_cast<uint8_t>(purpose)) return std::nullopt;
  if (claimed_epoch(envelope) != epoch || envelope.size() > INT32_MAX) return std::nullopt;

  base::View header = envelope.first(kHeaderBytes);
  base::View nonce = envelope.subspan(kHeaderBytes, kNonceBytes);
  base::View text = envelope.subspan(kHeaderBytes + kNonceBytes, envelope.size() - kOverhead);
  std::array<uint8_t, kTagBytes> tag{};
  std::copy(envelope.end() - kTagBytes, envelope.end(), tag.begin());

  CipherContext c = begin(false, derive(key, header.subspan(kSaltAt), kInfo), nonce, uuid, header);
  base::Bytes plain(text.size());
  int n = 0;
  VERIFY(text.empty() || EVP_CipherUpdate(c.get(), plain.data(), &n, text.data(), static_cast<int>(text.size())) == 1);
  VERIFY(EVP_CIPHER_CTX_ctrl(c.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1);
  std::array<uint8_t, 16> nothing{};
  if (EVP_CipherFinal_ex(c.get(), nothing.data(), &n) != 1) return std::nullopt;
  return plain;
}

std::optional<uint64_t> claimed_epoch(base::View envelope) {
  if (!has_our_header(envelope)) return std::nullopt;
  uint64_t epoch = 0;
  for (size_t i = 0; i < 8; i++) epoch = epoch << 8 | envelope[kEpochAt + i];
  return epoch;
}

}  // namespace vault
