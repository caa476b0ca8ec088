// SPDX-License-Identifier: MIT
// Part 3, 27.4: changing AuthData under an ephemeral key, so that not even the parent's user learns it.
#include "engine/commands/chapters.h"
#include "engine/commands/signing.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"
#include "engine/spec/other_structures.h"
#include "engine/spec/storage_structures.h"
#include "engine/state/evict_key.h"
#include "engine/state/load_key.h"
#include "engine/state/make_key.h"

namespace tpm {

namespace {

// Part 2, 10.9.
struct ChangeAuthValidate {
  Secret new_auth;
  Nonce n1{};
};

// ---- 27.4.1 TPM_ChangeAuthAsymStart ----
struct ChangeAuthAsymStart {
  struct In {
    KeyHandle identity;
    Nonce anti_replay{};
    KeyParms temp_key_parms;
  };
  struct Out {
    CertifyInfo certify_info;
    wire::SizedBytes signature;
    uint32_t ephemeral_handle = 0;
    KeyBlob temp_key;
  };
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    TRY(require(in.identity->blob.usage == KeyUsage::Identity, Rc::InvalidKeyUsage));  // 1
    Key made{.blob = {.usage = KeyUsage::AuthChange,
                      .flags = kIsVolatile,
                      .auth_data_usage = AuthDataUsage::Never,
                      .parms = in.temp_key_parms}};
    RsaKeyParms rsa = TRY(check_rsa_parms(in.temp_key_parms));  // 2-6
    TRY(require(!tpm.flags->fips || rsa.key_bits >= 1024, Rc::NotFips));
    // An ephemeral key has no secret that a user could be asked for, whatever FIPS mode wants of other keys.
    TRY(check_key_properties(made.blob, false));
    TRY(require(tpm.keys->free_slots() > 0, Rc::NoSpace));
    TRY(generate_into(tpm, made));  // 7
    made.secret.pub_data_digest = made.public_digest();

    Out out{.temp_key = made.blob};                // 8
    out.certify_info = {.usage = made.blob.usage,  // 9
                        .flags = made.blob.flags,
                        .auth_data_usage = made.blob.auth_data_usage,
                        .parms = made.blob.parms,
                        .pubkey_digest = made.modulus_digest(),
                        .data = in.anti_replay};
    out.signature = TRY(signed_by(*in.identity, out.certify_info));  // 10
    out.ephemeral_handle = TRY(tpm.keys.edit().load(std::move(made)));
    return out;
  }
};

// ---- 27.4.2 TPM_ChangeAuthAsymFinish ----
struct ChangeAuthAsymFinish {
  struct In {
    KeyHandle parent;
    AnyHandle ephemeral;
    uint16_t entity_type = 0;
    Digest new_auth_link{};
    wire::SizedBytes enc_new_auth;
    wire::SizedBytes enc_data;
  };
  struct Out {
    wire::SizedBytes enc_data;
    Nonce salt{};
    Digest change_proof{};
  };
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    const Key& parent = TRY(authorized_parent(call, in.parent));  // 1
    auto type = static_cast<EntityType>(in.entity_type);
    bool known = in.entity_type <= 0xff && (type == EntityType::Key || type == EntityType::Data);
    TRY(require(known, Rc::WrongEntityType));  // 2
    TRY(require(parent.blob.usage == KeyUsage::Storage, Rc::InvalidKeyUsage));
    auto plain = parent.rsa->decrypt_oaep(in.enc_data);  // 3
    TRY(require(plain.has_value(), Rc::DecryptError));
    const Key* ephemeral = TRY(tpm.find_key(in.ephemeral.value, {}, call.locality));
    TRY(require(ephemeral->blob.usage == KeyUsage::AuthChange, Rc::BadParameter));
    ChangeAuthValidate change = TRY(open(*ephemeral, in.enc_new_auth));  // 4
    Out out;
    if (type == EntityType::Key) {
      out.enc_data = TRY(rewrap(parent, plain->reveal(), &StoreAsymKey::usage_auth, change, in.new_auth_link));
    } else {
      out.enc_data = TRY(rewrap(parent, plain->reveal(), &SealedData::auth, change, in.new_auth_link));
    }
    out.salt = tpm.nonce();                                                    // 9
    out.change_proof = crypto::hmac_of(change.new_auth, out.salt, change.n1);  // 10
    TRY(evict_key(tpm, in.ephemeral.value));                                   // 11
    return out;
  }

 private:
  // What the storage root key wraps is the owner's to change.
  static Result<const Key&> authorized_parent(Call& call, const KeyHandle& handle) {
    const Key& parent = *TRY(call.tpm.find_key(handle.value, {}, call.locality));
    if (!call.has_auth(0)) {
      TRY(require(parent.blob.auth_data_usage == AuthDataUsage::Never, Rc::AuthFail));
      return parent;
    }
    TRY(call.authorize(0, handle.value == kSrkHandle ? Entity::owner(call.tpm) : Entity::of(parent)));
    return parent;
  }

  static Result<ChangeAuthValidate> open(const Key& ephemeral, const wire::SizedBytes& cipher) {
    auto plain = ephemeral.rsa->decrypt_oaep(cipher);
    TRY(require(plain.has_value(), Rc::DecryptError));
    auto change = wire::decode<ChangeAuthValidate>(plain->reveal());
    TRY(require(change.ok(), Rc::InvalidStructure));
    return std::move(change).take();
  }

  static bool valid(const StoreAsymKey& key) {
    return key.payload == Payload::Asym || key.payload == Payload::MigrateRestricted ||
           key.payload == Payload::MigrateExternal;
  }
  static bool valid(const SealedData& data) { return data.payload == Payload::Seal; }

  template <class Inner>
  static Result<wire::SizedBytes> rewrap(const Key& parent, View plain, Secret Inner::*auth,
                                         const ChangeAuthValidate& change, const Digest& link) {
    auto read = wire::decode<Inner>(plain);
    TRY(require(read.ok() && valid(read.value()), Rc::InvalidStructure));
    Inner inner = std::move(read).take();
    Digest expected = crypto::hmac_of(inner.*auth, change.new_auth);        // 5
    TRY(require(base::equal_constant_time(expected, link), Rc::AuthFail));  // 6
    inner.*auth = change.new_auth;                                          // 7
    return parent.encrypt(inner);                                           // 8
  }
};

constexpr std::array kRows = {
    row<ChangeAuthAsymStart>(ordinal::ChangeAuthAsymStart, "TPM_ChangeAuthAsymStart", Needs::Operational,
                             optional(key<&ChangeAuthAsymStart::In::identity>())),
    row<ChangeAuthAsymFinish>(ordinal::ChangeAuthAsymFinish, "TPM_ChangeAuthAsymFinish", Needs::Operational,
                              optional(deferred())),
};

}  // namespace

Chapter chapter_27_change_auth_asym() { return kRows; }

}  // namespace tpm
