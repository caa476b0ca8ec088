// SPDX-License-Identifier: MIT
// Part 3, 10: storage functions.
#include "engine/commands/chapters.h"
#include "engine/crypto/symmetric.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"
#include "engine/spec/storage_structures.h"
#include "engine/state/load_key.h"
#include "engine/state/make_key.h"

namespace tpm {

namespace {

constexpr uint32_t kStored12 = static_cast<uint32_t>(StructureTag::StoredData12) << 16;

bool is_long_pcr_info(View info) { return info.size() >= 2 && info[0] == 0 && info[1] == 6; }

// 10.1, 11.b and 10.7, 9.
Result<wire::SizedBytes> seal_info_long(View pcr_info, const Call& call) {
  auto read = wire::decode<PcrInfoLong>(pcr_info);
  TRY(require(read.ok(), Rc::BadIndex));
  PcrInfoLong info = std::move(read).take();
  bool valid = info.tag == StructureTag::PcrInfoLong && info.creation_selection.valid() &&
               info.release_selection.valid() && valid_locality_selection(info.locality_at_release);
  TRY(require(valid, Rc::BadIndex));
  info.digest_at_creation = call.tpm.pcrs->composite_hash(info.creation_selection);
  info.locality_at_creation = static_cast<uint8_t>(1u << call.locality);
  return wire::SizedBytes(wire::encode(info));
}

// 10.1, 5-11: the stored data with its seal information, still without encrypted data.
Result<StoredData> stored_data_for(const wire::SizedBytes& pcr_info, const Call& call) {
  StoredData stored;
  if (pcr_info.empty()) return stored;
  if (is_long_pcr_info(pcr_info)) {
    stored.ver_or_tag = kStored12;
    stored.seal_info = TRY(seal_info_long(pcr_info, call));
    return stored;
  }
  PcrInfo info = TRY(pcr_info.as<PcrInfo>(Rc::BadIndex));
  TRY(require(info.selection.valid(), Rc::BadIndex));
  info.digest_at_creation = call.tpm.pcrs->composite_hash(info.selection);
  stored.seal_info = wire::SizedBytes(wire::encode(info));
  return stored;
}

Result<> check_sealing_key(const Key& key) {
  TRY(require(key.blob.usage == KeyUsage::Storage, Rc::InvalidKeyUsage));
  return require(!key.blob.migratable(), Rc::InvalidKeyUsage);
}

// storedDigest (Part 2, 9.3): encDataSize and encData do not count.
Digest digest_of(const StoredData& data) { return crypto::sha1_of(data.ver_or_tag, data.seal_info); }

// What was sealed before has it with an empty encData.
bool is_digest_of(const StoredData& data, const Digest& stored) {
  StoredData bare{.ver_or_tag = data.ver_or_tag, .seal_info = data.seal_info};
  return stored == digest_of(data) || stored == crypto::sha1_of(bare);
}

// ---- 10.1 TPM_Seal ----
struct Seal {
  struct In {
    KeyHandle key;
    EncAuth enc_auth;
    wire::SizedBytes pcr_info;  // empty, TPM_PCR_INFO or TPM_PCR_INFO_LONG
    wire::SizedBytes data;
  };
  struct Out {
    StoredData sealed;
  };
  static Result<Out> run(Call& call, const In& in) {
    TRY(require(!in.data.empty(), Rc::BadParameter));                  // 2
    TRY(check_sealing_key(*in.key));                                   // 3-4
    StoredData sealed = TRY(stored_data_for(in.pcr_info, call));       // 5-11
    Secret auth = TRY(call.auth(0).open_even(in.enc_auth));            // 12-13
    SealedData inner{.auth = auth,                                     // 14
                     .tpm_proof = call.tpm.ownership->tpm_proof,
                     .stored_digest = digest_of(sealed),
                     .data = in.data};
    sealed.enc_data = TRY(in.key->encrypt(inner));                     // 15-16, 18-19
    call.auth(0).close();                                              // 17
    return Out{std::move(sealed)};                                     // 20
  }
};

// 10.2, 9 and 10.7, 13-14: data that travels encrypted under the session's secret.
Result<Bytes> crypt_data(const Auth& auth, EntityScheme scheme, View data) {
  Bytes out = base::copy_of(data);
  TRY(auth.crypt(scheme, out));
  return out;
}

// ---- 10.2 TPM_Unseal ----
struct Unseal {
  struct In {
    KeyHandle parent;
    StoredData data;
  };
  struct Out {
    wire::SizedBytes secret;
  };
  static Result<Out> run(Call& call, const In& in) {
    TRY(check_sealing_key(*in.parent));                            // 2-3
    TRY(require(known_version(in.data), Rc::BadVersion));          // 4
    SealedData inner = TRY(open(*in.parent, in.data, call.tpm));   // 5-6
    TRY(check_release(in.data, call));                             // 7
    TRY(call.authorize(1, Entity::bare(inner.auth)));              // 8
    if (!in.data.is_12() || in.data.entity_type() == 0) return Out{std::move(inner.data)};  // 10-11
    TRY(require(call.has_auth(0), Rc::AuthFail));                  // 9.a
    Auth& parent_auth = call.auth(0);
    TRY(require(parent_auth.protocol() != ProtocolId::Oiap, Rc::BadMode));  // 9.b
    auto scheme = static_cast<EntityScheme>(in.data.entity_type() >> 8);
    Bytes secret = TRY(crypt_data(parent_auth, scheme, inner.data));        // 9.c-d
    parent_auth.close();                                                    // 9.e
    return Out{wire::SizedBytes(std::move(secret))};                        // 11
  }

 private:
  static bool known_version(const StoredData& data) { return data.is_12() || is_version11(data.ver_or_tag); }

  static Result<SealedData> open(const Key& parent, const StoredData& data, const Tpm& tpm) {
    auto plain = parent.rsa->decrypt_oaep(data.enc_data);  // 5
    TRY(require(plain.has_value(), Rc::NotSealedBlob));
    auto read = wire::decode<SealedData>(plain->reveal());  // 6.a
    TRY(require(read.ok(), Rc::NotSealedBlob));
    SealedData inner = std::move(read).take();
    bool ours = inner.tpm_proof == tpm.ownership->tpm_proof &&  // 6.b
                is_digest_of(data, inner.stored_digest) &&      // 6.c-f
                inner.payload == Payload::Seal;                 // 6.g
    TRY(require(ours, Rc::NotSealedBlob));                      // 6.h
    return inner;
  }

  static Result<> check_release(const StoredData& data, const Call& call) {
    if (data.seal_info.empty()) return {};
    if (!data.is_12()) {
      PcrInfo info = TRY(data.seal_info.as<PcrInfo>(Rc::NotSealedBlob));
      if (info.selection.empty()) return {};
      return require(call.tpm.pcrs->composite_hash(info.selection) == info.digest_at_release, Rc::WrongPcrVal);
    }
    PcrInfoLong info = TRY(data.seal_info.as<PcrInfoLong>(Rc::NotSealedBlob));
    if (!info.release_selection.empty()) {
      TRY(require(call.tpm.pcrs->composite_hash(info.release_selection) == info.digest_at_release, Rc::WrongPcrVal));
    }
    return require(locality_in(info.locality_at_release, call.locality), Rc::BadLocality);
  }
};

struct BoundData {
  uint32_t version = kVersion11;
  Payload payload = Payload::Bind;
};

// ---- 10.3 TPM_UnBind ----
struct UnBind {
  struct In {
    KeyHandle key;
    wire::SizedBytes data;
  };
  struct Out {
    wire::SizedBytes data;
  };
  static Result<Out> run(Call&, const In& in) {
    TRY(require(!in.data.empty(), Rc::BadParameter));  // 1
    KeyUsage usage = in.key->blob.usage;
    TRY(require(usage == KeyUsage::Bind || usage == KeyUsage::Legacy, Rc::InvalidKeyUsage));  // 3
    bool oaep = in.key->blob.parms.enc_scheme == EncScheme::RsaesOaepSha1Mgf1;
    auto plain = oaep ? in.key->rsa->decrypt_oaep(in.data) : in.key->rsa->decrypt_pkcs1(in.data);  // 4
    TRY(require(plain.has_value(), Rc::DecryptError));
    if (!oaep && usage == KeyUsage::Legacy) return Out{wire::SizedBytes(plain->reveal())};  // 5
    wire::Reader reader(plain->reveal());  // 6
    auto head = reader.get<BoundData>();
    TRY(require(head.ok() && head.value().payload == Payload::Bind, Rc::InvalidStructure));
    TRY(require(head.value().version == kVersion11, Rc::InvalidStructure));
    return Out{wire::SizedBytes(plain->reveal().subspan(reader.position()))};  // 7
  }
};

// ---- 10.4 TPM_CreateWrapKey ----
struct CreateWrapKey {
  struct In {
    KeyHandle parent;
    EncAuth usage_auth;
    EncAuth migration_auth;
    KeyBlob key_info;
  };
  struct Out {
    KeyBlob wrapped;
  };
  static Result<Out> run(Call& call, const In& in) {
    const KeyBlob& info = in.key_info;
    TRY(check_key_properties(info, call.tpm.flags->fips));                                              // 3, 7-9
    TRY(require(in.parent->blob.usage == KeyUsage::Storage, Rc::InvalidKeyUsage));                      // 4
    TRY(require(info.migratable() || !in.parent->blob.migratable(), Rc::InvalidKeyUsage));              // 5
    bool usable = info.usage != KeyUsage::Identity && info.usage != KeyUsage::AuthChange;
    TRY(require(usable, Rc::InvalidKeyUsage));                                                          // 6.a
    TRY(require(!info.has_flag(kMigrateAuthority), Rc::InvalidKeyUsage));                               // 6.b
    Secret usage_auth = TRY(call.auth(0).open_even(in.usage_auth));                                     // 10
    Secret migration_auth = TRY(call.auth(0).open_odd(in.migration_auth));                              // 11
    call.auth(0).close();                                                                               // 12

    Key made{.blob = info};
    made.blob.enc_data = {};
    made.blob.pcr_info = TRY(pcr_info_at_creation(info, call.tpm, call.locality));                      // 15
    TRY(generate_into(call.tpm, made));                                                                 // 13-14
    made.secret.usage_auth = usage_auth;                                                                // 14.a
    made.secret.migration_auth = info.migratable() ? migration_auth : call.tpm.ownership->tpm_proof;    // 14.b-c
    made.secret.pub_data_digest = made.public_digest();
    made.blob.enc_data = TRY(in.parent->encrypt(made.secret));                                          // 16
    return Out{std::move(made.blob)};                                                                   // 17
  }
};

// ---- 10.5 TPM_LoadKey2 ----
struct LoadKey2 {
  struct In {
    KeyHandle parent;
    KeyBlob key;
  };
  struct Out {
    AnyHandle handle;
  };
  static Result<Out> run(Call& call, const In& in) {
    Key key = TRY(load_wrapped(call.tpm, *in.parent, in.key));  // 2-8, 11-12
    TRY(require(call.tpm.keys->free_slots() > 0, Rc::NoSpace));
    return Out{{TRY(call.tpm.keys.edit().load(std::move(key)))}};  // 9-10
  }
};

// ---- 10.6 TPM_GetPubKey ----
struct GetPubKey {
  struct In {
    KeyHandle key;
  };
  struct Out {
    PubKey key;
  };
  static Result<Out> run(Call& call, const In& in) {
    bool readable = in.key.value != kSrkHandle || call.tpm.flags->read_srk_pub;
    TRY(require(readable, Rc::InvalidKeyHandle));  // 3
    return Out{in.key->public_key()};              // 5 (4: the handle)
  }
};

// ---- 10.7 TPM_Sealx ----
struct Sealx {
  using In = Seal::In;
  using Out = Seal::Out;
  static Result<Out> run(Call& call, const In& in) {
    TRY(require(!in.data.empty(), Rc::BadParameter));  // 2
    TRY(check_sealing_key(*in.key));                   // 3-4
    StoredData sealed{.ver_or_tag = kStored12};        // 5-7
    if (!in.pcr_info.empty()) sealed.seal_info = TRY(seal_info_long(in.pcr_info, call));  // 8-9
    const Auth& session = call.auth(0);
    Secret auth = TRY(session.open_even(in.enc_auth));  // 11-12
    bool by_xor = session.scheme() == EntityScheme::Xor;
    // 11.a: the entity type says that the data are encrypted; TPM_ET_KEY keeps it from being zero.
    auto entity = static_cast<uint16_t>(static_cast<unsigned>(session.scheme()) << 8 |
                                        (by_xor ? static_cast<unsigned>(EntityType::Key) : 0u));
    sealed.ver_or_tag = kStored12 | entity;
    Bytes data = TRY(crypt_data(session, session.scheme(), in.data));  // 13-14
    SealedData inner{.auth = auth,                                     // 15
                     .tpm_proof = call.tpm.ownership->tpm_proof,
                     .stored_digest = digest_of(sealed),
                     .data = wire::SizedBytes(std::move(data))};
    sealed.enc_data = TRY(in.key->encrypt(inner));  // 16-17, 19-20
    call.auth(0).close();                           // 18
    return Out{std::move(sealed)};                  // 21
  }
};

constexpr Use kReadPublic{.public_only = true};

constexpr std::array kRows = {
    delegable(KeyPermission::Seal,
              row<Seal>(ordinal::Seal, "TPM_Seal", Needs::Operational, key<&Seal::In::key>(Protocol::Osap))),
    delegable(KeyPermission::Unseal, row<Unseal>(ordinal::Unseal, "TPM_Unseal", Needs::Operational,
                                                 optional(key<&Unseal::In::parent>()), deferred(Protocol::Oiap))),
    delegable(KeyPermission::UnBind,
              row<UnBind>(ordinal::UnBind, "TPM_UnBind", Needs::Operational, optional(key<&UnBind::In::key>()))),
    delegable(KeyPermission::CreateWrapKey,
              audited(row<CreateWrapKey>(ordinal::CreateWrapKey, "TPM_CreateWrapKey", Needs::Operational,
                                         key<&CreateWrapKey::In::parent>(Protocol::Osap)))),
    delegable(KeyPermission::LoadKey2, row<LoadKey2>(ordinal::LoadKey2, "TPM_LoadKey2", Needs::Operational,
                                                     optional(key<&LoadKey2::In::parent>()))),
    delegable(KeyPermission::GetPubKey, row<GetPubKey>(ordinal::GetPubKey, "TPM_GetPubKey", Needs::Operational,
                                                       optional(key<&GetPubKey::In::key>(Protocol::Any, kReadPublic)))),
    delegable(KeyPermission::Sealx,
              row<Sealx>(ordinal::Sealx, "TPM_Sealx", Needs::Operational, key<&Sealx::In::key>(Protocol::Osap))),
};

}  // namespace

Chapter chapter_10() { return kRows; }

}  // namespace tpm
