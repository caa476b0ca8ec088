// SPDX-License-Identifier: MIT
// AES-128 as a stream cipher: ADIP, transport sessions and context blobs.
#pragma once

#include <cstdint>
#include <span>

namespace tpm::crypto {

// Encrypts or decrypts in place; the counter block is big-endian and starts at `iv`.
void aes128_ctr(std::span<const uint8_t, 16> key, std::span<const uint8_t, 16> iv, std::span<uint8_t> data);

// Output feedback from `iv` on.
void aes128_ofb(std::span<const uint8_t, 16> key, std::span<const uint8_t, 16> iv, std::span<uint8_t> data);

}  // namespace tpm::crypto
