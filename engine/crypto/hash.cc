// SPDX-License-Identifier: MIT
#include "engine/crypto/hash.h"

#include <openssl/evp.h>

#include <algorithm>
#include <vector>

#include "engine/crypto/openssl.h"
#include "lib/base/verify.h"

namespace tpm::crypto {

namespace {

const EVP_MD* sha1_md() {
  static const EVP_MD* const kMd = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  VERIFY(kMd != nullptr);
  return kMd;
}

struct Pool {
  std::vector<EVP_MD_CTX*> idle;
  ~Pool() {
    for (EVP_MD_CTX* ctx : idle) EVP_MD_CTX_free(ctx);
  }
};
Pool& pool() {
  thread_local Pool pool;
  return pool;
}

EVP_MD_CTX* borrow() {
  Pool& p = pool();
  if (p.idle.empty()) {
    EVP_MD_CTX* ctx = EVP_MD_CTX_new();
    VERIFY(ctx != nullptr);
    return ctx;
  }
  EVP_MD_CTX* ctx = p.idle.back();
  p.idle.pop_back();
  return ctx;
}

}  // namespace

Sha1::Sha1() : ctx_(borrow()) { VERIFY(EVP_DigestInit_ex2(ctx_, sha1_md(), nullptr) == 1); }
Sha1::~Sha1() { pool().idle.push_back(ctx_); }

void Sha1::update(View bytes) { VERIFY(EVP_DigestUpdate(ctx_, bytes.data(), bytes.size()) == 1); }

Digest Sha1::finish() {
  Digest digest;
  VERIFY(EVP_DigestFinal_ex(ctx_, digest.data(), nullptr) == 1);
  VERIFY(EVP_DigestInit_ex2(ctx_, sha1_md(), nullptr) == 1);
  return digest;
}

Digest sha1(View bytes) {
  Sha1 hash;
  hash.update(bytes);
  return hash.finish();
}

Hmac::Hmac(View key) {
  std::array<uint8_t, 64> block{};
  if (key.size() > block.size()) {
    std::ranges::copy(sha1(key), block.begin());
  } else {
    std::ranges::copy(key, block.begin());
  }
  std::array<uint8_t, 64> inner_pad{};
  for (size_t i = 0; i < block.size(); i++) {
    inner_pad[i] = block[i] ^ 0x36;
    outer_pad_[i] = block[i] ^ 0x5c;
  }
  inner_.update(inner_pad);
  base::wipe(block.data(), block.size());
  base::wipe(inner_pad.data(), inner_pad.size());
}

Hmac::~Hmac() { base::wipe(outer_pad_.data(), outer_pad_.size()); }

Digest Hmac::finish() {
  Digest inner = inner_.finish();
  inner_.update(outer_pad_);
  inner_.update(inner);
  return inner_.finish();
}

void mgf1(View seed, std::span<uint8_t> out) {
  uint32_t counter = 0;
  while (!out.empty()) {
    Sha1 hash;
    hash.update(seed);
    hash.put(counter++);
    Digest block = hash.finish();
    size_t n = std::min(out.size(), block.size());
    std::copy_n(block.begin(), n, out.begin());
    base::wipe(block.data(), block.size());
    out = out.subspan(n);
  }
}

}  // namespace tpm::crypto
