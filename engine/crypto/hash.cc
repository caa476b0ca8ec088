// SPDX-License-Identifier: MIT
// SHA1_Init and its kin are deprecated in favour of EVP; engine/crypto/hash.h says why they are used.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "engine/crypto/hash.h"

#include <algorithm>
#include <cstddef>

#include "lib/base/verify.h"

namespace tpm::crypto {

Sha1::Sha1() { VERIFY(SHA1_Init(&ctx_) == 1); }
Sha1::~Sha1() { base::wipe(&ctx_, sizeof(ctx_)); }

void Sha1::update(View bytes) { VERIFY(SHA1_Update(&ctx_, bytes.data(), bytes.size()) == 1); }

Digest Sha1::finish() {
  Digest digest;
  VERIFY(SHA1_Final(digest.data(), &ctx_) == 1 && SHA1_Init(&ctx_) == 1);
  return digest;
}

Digest sha1(View bytes) {
  SHA_CTX ctx;
  Digest digest;
  VERIFY(SHA1_Init(&ctx) == 1 && SHA1_Update(&ctx, bytes.data(), bytes.size()) == 1);
  VERIFY(SHA1_Final(digest.data(), &ctx) == 1);  // which wipes the block
  base::wipe(&ctx, offsetof(SHA_CTX, data));
  return digest;
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
