// SPDX-License-Identifier: MIT
#include "tests/differential/chance.h"

#include <openssl/rand.h>

#include <algorithm>

#include "tests/engine/tpm_client.h"

// OpenSSL 3 has no other way to replace the generator of its default context.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace differential {

namespace {

unsigned g_seed = 0;
uint64_t g_drawn = 0;

int draw(unsigned char* to, int size) {
  auto left = static_cast<size_t>(std::max(size, 0));
  while (left > 0) {
    client::Digest block = client::sha1(client::Out().raw(client::bytes_of("chance")).u32(g_seed).u64(++g_drawn));
    size_t n = std::min(left, block.size());
    to = std::copy_n(block.begin(), n, to);
    left -= n;
  }
  return 1;
}
int always() { return 1; }

}  // namespace

void fix_chance(unsigned seed) {
  static const RAND_METHOD method{
      .seed = nullptr, .bytes = draw, .cleanup = nullptr, .add = nullptr, .pseudorand = draw, .status = always};
  g_seed = seed;
  g_drawn = 0;
  if (RAND_set_rand_method(&method) != 1) abort();
}

}  // namespace differential
