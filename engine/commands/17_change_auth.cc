// SPDX-License-Identifier: MIT
// Part 3, 17: changing AuthData.
#include "engine/commands/chapters.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"
#include "engine/spec/storage_structures.h"

namespace tpm {

namespace {

constexpr bool is(uint16_t wire_type, EntityType type) { return wire_type == static_cast<uint16_t>(type); }

// ---- 17.1 TPM_ChangeAuth ----
struct ChangeAuth {
  struct In {
    KeyHandle parent;
    ProtocolId protocol{};
    EncAuth new_auth;
    uint16_t entity_type = 0;
    wire::SizedBytes enc_data;  // of a TPM_KEY or a TPM_STORED_DATA
  };
  struct Out {
    wire::SizedBytes enc_data;
  };
  static Result<Out> run(Call& call, const In& in) {
    bool is_key = is(in.entity_type, EntityType::Key);
    TRY(require(is_key || is(in.entity_type, EntityType::Data), Rc::WrongEntityType));  // 1 (2-3, 7: the sessions)
    TRY(require(in.protocol == ProtocolId::Adcp, Rc::BadParameter));                    // 4
    Secret new_auth = TRY(call.auth(0).open_even(in.new_auth));                         // 6
    TRY(require(in.parent->blob.usage == KeyUsage::Storage, Rc::InvalidKeyUsage));      // 8
    auto plain = in.parent->rsa->decrypt_oaep(in.enc_data);                             // 5, 9
    TRY(require(plain.has_value(), Rc::DecryptError));
    Out out;
    if (is_key) {
      out.enc_data = TRY(rewrap(call, *in.parent, plain->reveal(), &StoreAsymKey::usage_auth, new_auth));
    } else {
      out.enc_data = TRY(rewrap(call, *in.parent, plain->reveal(), &SealedData::auth, new_auth));
    }
    call.auth(0).close();  // 13, 15
    call.auth(1).close();
    return out;  // 14
  }

 private:
  static bool valid(const StoreAsymKey& key) {
    return key.payload == Payload::Asym || key.payload == Payload::MigrateRestricted ||
           key.payload == Payload::MigrateExternal;
  }
  static bool valid(const SealedData& data) { return data.payload == Payload::Seal; }

  template <class Inner>
  static Result<wire::SizedBytes> rewrap(Call& call, const Key& parent, View plain, Secret Inner::*auth,
                                         const Secret& new_auth) {
    auto read = wire::decode<Inner>(plain);  // 10
    TRY(require(read.ok() && valid(read.value()), Rc::InvalidStructure));
    Inner inner = std::move(read).take();
    TRY(call.authorize(1, Entity::bare(inner.*auth)));  // 10.b
    inner.*auth = new_auth;                             // 11
    return parent.encrypt(inner);                       // 12
  }
};

// ---- 17.2 TPM_ChangeAuthOwner ----
struct ChangeAuthOwner {
  struct In {
    ProtocolId protocol{};
    EncAuth new_auth;
    uint16_t entity_type = 0;
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {
    TRY(require(in.protocol == ProtocolId::Adcp, Rc::BadParameter));  // 3 (1-2: the session)
    bool is_owner = is(in.entity_type, EntityType::Owner);
    TRY(require(is_owner || is(in.entity_type, EntityType::Srk), Rc::WrongEntityType));  // 4
    Secret new_auth = TRY(call.auth(0).open_even(in.new_auth));                          // 5
    call.auth(0).close();                                                                // 6
    Ownership& ownership = call.tpm.ownership.edit();
    (is_owner ? ownership.owner_auth : ownership.srk.secret.usage_auth) = new_auth;  // 7
    // The secrets of these sessions come from the one that was replaced.
    Sessions& sessions = call.tpm.sessions.edit();
    sessions.end_entity(EntityType::Owner);  // 8
    if (!is_owner) {                         // 9
      Digest srk = ownership.srk.public_digest();
      sessions.end_entity(EntityType::Srk);
      sessions.end_entity(EntityType::KeyHandle, &srk);
    }
    return Out{};
  }
};

constexpr std::array kRows = {
    delegable(KeyPermission::ChangeAuth,
              row<ChangeAuth>(ordinal::ChangeAuth, "TPM_ChangeAuth", Needs::Operational,
                              key<&ChangeAuth::In::parent>(Protocol::Osap), deferred(Protocol::Oiap))),
    audited(row<ChangeAuthOwner>(ordinal::ChangeAuthOwner, "TPM_ChangeAuthOwner", Needs::Operational,
                                 owner(Protocol::Osap))),
};

}  // namespace

Chapter chapter_17() { return kRows; }

}  // namespace tpm
