// SPDX-License-Identifier: MIT
#include "engine/state/private_blob.h"

#include "engine/crypto/symmetric.h"

namespace tpm {

void crypt_blob(const Secret& tpm_proof, BlobUse use, std::span<const uint8_t, 16> iv, std::span<uint8_t> data) {
  static constexpr std::array<uint8_t, 4> kLabel = {'b', 'l', 'o', 'b'};
  Secret key(crypto::hmac_of(tpm_proof, kLabel, use));
  crypto::aes128_ctr(key.reveal().first<16>(), iv, data);
}

}  // namespace tpm
