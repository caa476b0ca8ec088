// SPDX-License-Identifier: MIT
#include "engine/crypto/symmetric.h"
#include "engine/dispatch/call.h"

namespace tpm {

// Part 1, 13.5 (ADIP), with XOR over a SHA-1 pad or with AES-128-CTR as the session was opened for.
Result<Secret> Auth::open(const EncAuth& secret, const Nonce& nonce) const {
  TRY(require(protocol_ == ProtocolId::Osap || protocol_ == ProtocolId::Dsap, Rc::BadMode));
  Secret plain(secret.value);
  if (scheme_ == EntityScheme::AesCtr) {
    crypto::aes128_ctr(hmac_key_.reveal().first<16>(), View(nonce).first<16>(), plain.fill());
    return plain;
  }
  Digest pad = crypto::sha1_of(hmac_key_, nonce);
  for (size_t i = 0; i < pad.size(); i++) plain.fill()[i] = static_cast<uint8_t>(plain.fill()[i] ^ pad[i]);
  base::wipe(pad.data(), pad.size());
  return plain;
}

Result<> Auth::crypt(EntityScheme scheme, std::span<uint8_t> data) const {
  if (scheme == EntityScheme::AesCtr) {
    Digest counter = crypto::sha1_of(nonce_even_, nonce_odd_);
    crypto::aes128_ctr(hmac_key_.reveal().first<16>(), View(counter).first<16>(), data);
    return {};
  }
  TRY(require(scheme == EntityScheme::Xor, Rc::InappropriateEnc));
  static constexpr std::array<uint8_t, 3> kXor = {'X', 'O', 'R'};
  Bytes seed;
  wire::Writer w(seed);
  w.put(nonce_even_);
  w.put(nonce_odd_);
  w.put(kXor);
  w.put(hmac_key_);
  base::SecretBytes pad(data.size());
  crypto::mgf1(seed, pad.fill());
  for (size_t i = 0; i < data.size(); i++) data[i] = static_cast<uint8_t>(data[i] ^ pad.reveal()[i]);
  return {};
}

}  // namespace tpm
