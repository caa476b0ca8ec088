// SPDX-License-Identifier: MIT
#include "engine/crypto/oaep.h"

#include <algorithm>

#include "engine/crypto/hash.h"

namespace tpm::crypto {

namespace {

constexpr size_t kHashBytes = Secret::kSize;

void mask(View seed, std::span<uint8_t> data) {
  base::SecretBytes pad(data.size());
  mgf1(seed, pad.fill());
  for (size_t i = 0; i < data.size(); i++) data[i] = static_cast<uint8_t>(data[i] ^ pad.reveal()[i]);
}

}  // namespace

Bytes oaep_encode(const OaepParts& parts) {
  Bytes encoded = base::copy_of(parts.seed.reveal());
  base::append(encoded, parts.label_hash.reveal());
  encoded.push_back(1);
  base::append(encoded, parts.message);
  std::span<uint8_t> seed = std::span(encoded).first(kHashBytes), block = std::span(encoded).subspan(kHashBytes);
  mask(seed, block);
  mask(block, seed);
  return encoded;
}

std::optional<OaepParts> oaep_decode(View encoded) {
  if (encoded.size() < 2 * kHashBytes + 1) return std::nullopt;
  Bytes plain = base::copy_of(encoded);
  std::span<uint8_t> seed = std::span(plain).first(kHashBytes), block = std::span(plain).subspan(kHashBytes);
  mask(block, seed);
  mask(seed, block);
  auto message = std::find_if(block.begin() + kHashBytes, block.end(), [](uint8_t byte) { return byte != 0; });
  if (message == block.end() || *message != 1) return std::nullopt;
  OaepParts parts{.message = Bytes(message + 1, block.end())};
  std::ranges::copy(block.first(kHashBytes), parts.label_hash.fill().begin());
  std::ranges::copy(seed, parts.seed.fill().begin());
  return parts;
}

}  // namespace tpm::crypto
