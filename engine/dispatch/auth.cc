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

}  // namespace tpm
