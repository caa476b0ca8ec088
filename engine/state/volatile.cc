// SPDX-License-Identifier: MIT
#include "engine/state/volatile.h"

// SHA_CTX is the only interface of OpenSSL that lets a running hash be taken out and put back.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <algorithm>

namespace tpm {

namespace {

SHA_CTX unpack(const Sha1Thread& from) {
  SHA_CTX ctx{};
  ctx.h0 = from.chain[0];
  ctx.h1 = from.chain[1];
  ctx.h2 = from.chain[2];
  ctx.h3 = from.chain[3];
  ctx.h4 = from.chain[4];
  uint64_t n_bits = from.n_bytes * 8;
  ctx.Nl = static_cast<SHA_LONG>(n_bits);
  ctx.Nh = static_cast<SHA_LONG>(n_bits >> 32);
  ctx.num = static_cast<unsigned>(from.n_bytes % 64);
  memcpy(ctx.data, from.block.data(), ctx.num);
  return ctx;
}

void pack(const SHA_CTX& ctx, size_t more, Sha1Thread& to) {
  to.chain = {ctx.h0, ctx.h1, ctx.h2, ctx.h3, ctx.h4};
  to.n_bytes += more;
  to.block = {};
  memcpy(to.block.data(), ctx.data, ctx.num);
}

}  // namespace

void Sha1Thread::start() {
  *this = {};
  SHA_CTX ctx{};
  SHA1_Init(&ctx);
  running = true;
  pack(ctx, 0, *this);
}

void Sha1Thread::update(View bytes) {
  SHA_CTX ctx = unpack(*this);
  SHA1_Update(&ctx, bytes.data(), bytes.size());
  pack(ctx, bytes.size(), *this);
}

Digest Sha1Thread::complete(View last) {
  SHA_CTX ctx = unpack(*this);
  SHA1_Update(&ctx, last.data(), last.size());
  Digest digest;
  SHA1_Final(digest.data(), &ctx);
  *this = {};
  return digest;
}

}  // namespace tpm
