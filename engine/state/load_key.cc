// SPDX-License-Identifier: MIT
#include "engine/state/load_key.h"

#include "engine/state/make_key.h"

namespace tpm {

namespace {

constexpr uint32_t kKey12Header = static_cast<uint32_t>(StructureTag::Key12) << 16;

struct Schemes {
  bool enc = false;
  bool sig = false;
};

// Part 2, 5.7.1: the schemes a usage allows.
Schemes allowed(const KeyBlob& key) {
  EncScheme enc = key.parms.enc_scheme;
  SigScheme sig = key.parms.sig_scheme;
  bool oaep = enc == EncScheme::RsaesOaepSha1Mgf1, pkcs1 = enc == EncScheme::RsaesPkcs1v15,
       no_enc = enc == EncScheme::None;
  bool no_sig = sig == SigScheme::None, sha1 = sig == SigScheme::RsassaPkcs1v15Sha1;
  bool any_sig = sha1 || sig == SigScheme::RsassaPkcs1v15Der || sig == SigScheme::RsassaPkcs1v15Info;
  switch (key.usage) {
    case KeyUsage::Signing:
      return {no_enc, any_sig};
    case KeyUsage::Storage:
    case KeyUsage::Migrate:
    case KeyUsage::AuthChange:
      return {oaep, no_sig};
    case KeyUsage::Identity:
      return {no_enc, sha1};
    case KeyUsage::Bind:
      return {oaep || pkcs1, no_sig};
    case KeyUsage::Legacy:
      return {oaep || pkcs1, sha1 || sig == SigScheme::RsassaPkcs1v15Der};
  }
  return {};
}

// Part 2, 10.6: a key of this TPM, or one that is certified migratable.
bool loadable(Payload payload) {
  return payload == Payload::Asym || payload == Payload::MigrateRestricted || payload == Payload::MigrateExternal;
}

bool must_be_2048(KeyUsage usage) {
  return usage == KeyUsage::Storage || usage == KeyUsage::Migrate || usage == KeyUsage::Identity;
}

}  // namespace

Result<> check_key_header(const KeyBlob& key) {
  TRY(require(key.is_key12() || is_version11(key.ver_or_tag), Rc::BadVersion));
  TRY(require(!key.is_key12() || key.ver_or_tag == kKey12Header, Rc::BadKeyProperty));
  return require((key.flags & ~kKeyFlags) == 0, Rc::BadKeyProperty);
}

Result<> check_key_properties(const KeyBlob& key, bool fips) {
  TRY(check_key_header(key));
  if (fips) TRY(require(key.auth_data_usage != AuthDataUsage::Never, Rc::NotFips));
  RsaKeyParms parms = TRY(check_rsa_parms(key.parms));
  if (fips) TRY(require(parms.key_bits >= 1024 && key.usage != KeyUsage::Legacy, Rc::NotFips));
  Schemes schemes = allowed(key);
  TRY(require(schemes.enc && schemes.sig, Rc::BadKeyProperty));
  return require(!must_be_2048(key.usage) || (parms.key_bits == 2048 && parms.exponent.empty()), Rc::BadKeyProperty);
}

Result<wire::SizedBytes> pcr_info_at_creation(const KeyBlob& key, const Tpm& tpm, uint8_t locality) {
  if (key.pcr_info.empty()) return wire::SizedBytes{};
  if (!key.is_key12()) {
    PcrInfo info = TRY(key.pcr_info.as<PcrInfo>(Rc::InvalidPcrInfo));
    TRY(require(info.selection.valid(), Rc::InvalidPcrInfo));
    info.digest_at_creation = tpm.pcrs->composite_hash(info.selection);
    return wire::SizedBytes(wire::encode(info));
  }
  PcrInfoLong info = TRY(key.pcr_info.as<PcrInfoLong>(Rc::InvalidPcrInfo));
  bool valid = info.tag == StructureTag::PcrInfoLong && info.creation_selection.valid() &&
               info.release_selection.valid() && valid_locality_selection(info.locality_at_release);
  TRY(require(valid, Rc::InvalidPcrInfo));
  info.digest_at_creation = tpm.pcrs->composite_hash(info.creation_selection);
  info.locality_at_creation = static_cast<uint8_t>(1u << locality);
  return wire::SizedBytes(wire::encode(info));
}

Result<Key> load_wrapped(const Tpm& tpm, const Key& parent, const KeyBlob& wrapped) {
  TRY(require(parent.blob.usage == KeyUsage::Storage, Rc::InvalidKeyUsage));  // 2
  TRY(check_key_properties(wrapped, tpm.flags->fips));                        // 3-4, 7.e-h
  Key key{.blob = wrapped};
  auto opened = parent.rsa->decrypt_oaep(wrapped.enc_data);  // 5
  TRY(require(opened.has_value(), Rc::DecryptError));
  auto secret = wire::decode<StoreAsymKey>(opened->reveal());
  TRY(require(secret.ok(), Rc::InvalidStructure));
  key.secret = std::move(secret).take();
  TRY(require(loadable(key.secret.payload), Rc::InvalidStructure));
  TRY(require(key.public_digest() == key.secret.pub_data_digest, Rc::Fail));                        // 6
  TRY(require(key.prepare(), Rc::BadKeyProperty));                                                  // 7.a
  TRY(require(wrapped.usage != KeyUsage::Identity || !wrapped.migratable(), Rc::InvalidKeyUsage));  // 7.b
  TRY(require(wrapped.usage != KeyUsage::AuthChange, Rc::InvalidKeyUsage));                         // 7.c
  bool ours = wrapped.migratable() || key.secret.migration_auth == tpm.ownership->tpm_proof;
  TRY(require(ours, Rc::InvalidKeyUsage));                                 // 7.d
  static_cast<void>(TRY(pcr_info_at_creation(wrapped, tpm, 0)));           // 7.i-j: legal values
  key.parent_pcr_status = parent.parent_pcr_status || parent.uses_pcrs();  // 11-12
  return key;
}

}  // namespace tpm
