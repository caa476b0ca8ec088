// SPDX-License-Identifier: MIT
#include "engine/state/migration_blob.h"

#include <algorithm>

#include "engine/crypto/oaep.h"
#include "engine/state/make_key.h"

namespace tpm {

namespace {

constexpr size_t kSeedBytes = Secret::kSize;

}  // namespace

Result<Bytes> wrap_inner(const StoreAsymKey& key, Payload payload, const Secret& label_hash) {
  Bytes whole = wire::encode(key.prime);  // K1 || K2, the key's length included
  TRY(require(whole.size() > kSeedBytes, Rc::BadMigration));
  MigrateAsymKey inner{.payload = payload,
                       .usage_auth = key.usage_auth,
                       .pub_data_digest = key.pub_data_digest,
                       .part_priv_key = wire::SizedBytes(View(whole).subspan(kSeedBytes))};
  crypto::OaepParts parts{.message = wire::encode(inner), .label_hash = label_hash};
  std::copy_n(whole.begin(), kSeedBytes, parts.seed.fill().begin());
  return crypto::oaep_encode(parts);
}

Result<StoreAsymKey> unwrap_inner(View encoded) {
  auto parts = crypto::oaep_decode(encoded);
  TRY(require(parts.has_value(), Rc::DecryptError));
  auto inner = wire::decode<MigrateAsymKey>(parts->message);
  TRY(require(inner.ok(), Rc::InvalidStructure));
  Bytes whole = base::copy_of(parts->seed.reveal());
  base::append(whole, inner.value().part_priv_key);
  auto prime = wire::decode<wire::SizedBytes>(whole);
  TRY(require(prime.ok(), Rc::InvalidStructure));
  return StoreAsymKey{.payload = inner.value().payload,
                      .usage_auth = inner.value().usage_auth,
                      .migration_auth = parts->label_hash,
                      .pub_data_digest = inner.value().pub_data_digest,
                      .prime = std::move(prime).take()};
}

Bytes exclusive_or(View a, View b) {
  Bytes out(a.size());
  std::ranges::transform(a, b, out.begin(), [](uint8_t x, uint8_t y) { return static_cast<uint8_t>(x ^ y); });
  return out;
}

Result<std::shared_ptr<const crypto::RsaKey>> public_rsa(const PubKey& key) {
  RsaKeyParms parms = TRY(check_rsa_parms(key.parms));
  TRY(require(key.key.size() == parms.key_bits / 8, Rc::BadKeyProperty));
  auto rsa = crypto::RsaKey::from_public(key.key, parms.exponent);
  TRY(require(rsa != nullptr, Rc::BadKeyProperty));
  return rsa;
}

Result<wire::SizedBytes> encrypt_for(const PubKey& key, View plain) {
  TRY(require(key.parms.enc_scheme == EncScheme::RsaesOaepSha1Mgf1, Rc::InappropriateEnc));
  auto rsa = TRY(public_rsa(key));
  auto cipher = rsa->encrypt_oaep(plain);
  TRY(require(cipher.has_value(), Rc::BadDataSize));
  return wire::SizedBytes(std::move(*cipher));
}

Result<Migrating> migrate(const Tpm& tpm, const StoreAsymKey& key, Payload payload, const Secret& label_hash,
                          const PubKey& to) {
  Bytes inner = TRY(wrap_inner(key, payload, label_hash));
  Bytes random(inner.size());
  tpm.random(random);
  wire::SizedBytes blob = TRY(encrypt_for(to, exclusive_or(inner, random)));
  return Migrating{wire::SizedBytes(std::move(random)), std::move(blob)};
}

Result<StoreAsymKey> arrive(const Key& parent, View blob, View random) {
  auto padded = parent.rsa->decrypt_oaep(blob);
  TRY(require(padded.has_value(), Rc::DecryptError));
  TRY(require(padded->size() == random.size(), Rc::BadParameter));
  return unwrap_inner(exclusive_or(padded->reveal(), random));
}

}  // namespace tpm
