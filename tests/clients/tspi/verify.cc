// SPDX-License-Identifier: MIT

#include <openssl/sha.h>

#include <algorithm>

#include "tests/clients/tspi/openssl.h"

namespace tspi {

bool verifies(const Bytes& modulus, const Bytes& message, const Bytes& signature) {
  Key key = public_key(modulus);
  std::unique_ptr<EVP_MD_CTX, Frees<EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
  return key && EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha1(), nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
}

Bytes sha1(const Bytes& message) {
  Bytes digest(SHA_DIGEST_LENGTH);
  SHA1(message.data(), message.size(), digest.data());
  return digest;
}

bool contains(const Bytes& where, const Bytes& what) {
  return std::search(where.begin(), where.end(), what.begin(), what.end()) != where.end();
}

}  // namespace tspi
