// SPDX-License-Identifier: MIT
#include "engine/state/make_key.h"

#include "lib/base/verify.h"

namespace tpm {

Result<RsaKeyParms> check_rsa_parms(const KeyParms& parms) {
  TRY(require(parms.algorithm == Algorithm::Rsa, Rc::BadKeyProperty));
  RsaKeyParms rsa = TRY(parms.parms.as<RsaKeyParms>(Rc::BadKeyProperty));
  bool size = rsa.key_bits == 512 || rsa.key_bits == 1024 || rsa.key_bits == 2048;
  TRY(require(size && rsa.n_primes == 2, Rc::BadKeyProperty));
  // An exponent other than the default is refused: small ones are unsafe with these paddings.
  static const Bytes kDefault = {1, 0, 1};
  TRY(require(rsa.exponent.empty() || rsa.exponent.bytes() == kDefault, Rc::BadKeyProperty));
  return rsa;
}

Result<> generate_into(const Tpm& tpm, Key& key) {
  RsaKeyParms parms = TRY(check_rsa_parms(key.blob.parms));
  crypto::GeneratedRsa made =
      TRY(crypto::generate_rsa(parms.key_bits, parms.exponent, [&tpm] { return tpm.platform.cancelled(); }));
  key.blob.pub_key = wire::SizedBytes(std::move(made.modulus));
  key.secret.prime = wire::SizedBytes(made.prime.reveal());
  VERIFY(key.prepare());
  return {};
}

Result<Key> make_endorsement_key(const Tpm& tpm, unsigned key_bits) {
  Key key;
  key.blob.usage = KeyUsage::Storage;
  key.blob.auth_data_usage = AuthDataUsage::Always;
  key.blob.parms = {.enc_scheme = EncScheme::RsaesOaepSha1Mgf1,
                    .parms = wire::SizedBytes(wire::encode(RsaKeyParms{.key_bits = key_bits}))};
  TRY(generate_into(tpm, key));
  return key;
}

}  // namespace tpm
