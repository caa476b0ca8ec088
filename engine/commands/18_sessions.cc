// SPDX-License-Identifier: MIT
// Part 3, 18: authorization sessions.
#include "engine/commands/chapters.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"
#include "engine/state/delegate_blob.h"

namespace tpm {

namespace {

constexpr Use kAnyState{.public_only = true, .ignore_pcrs = true};

// The two bytes of an entity type: what it is, and how secrets are encrypted in the session.
struct TypeAndScheme {
  EntityType type;
  EntityScheme scheme;

  explicit TypeAndScheme(uint16_t wire)
      : type(static_cast<EntityType>(wire & 0xff)), scheme(static_cast<EntityScheme>(wire >> 8)) {}
  bool supported(bool fips) const { return scheme == EntityScheme::AesCtr || (scheme == EntityScheme::Xor && !fips); }
};

// Whom an OSAP or DSAP session is of, and, when that is a delegate, what it was lent.
struct Party {
  Entity entity;
  std::optional<DelegatePublic> delegation;
};

struct Opened {
  AnyHandle handle;
  Clear<Nonce> nonce_even;
  Clear<Nonce> nonce_even_osap;
};

Result<Opened> open_session(Tpm& tpm, EntityScheme scheme, const Party& party, const Nonce& nonce_odd) {
  TRY(require(tpm.sessions->free_slots() > 0, Rc::Resources));
  Nonce nonce_even_osap = tpm.nonce();
  Session& session = *TRY(tpm.sessions.edit().open());
  session.protocol = party.delegation ? ProtocolId::Dsap : ProtocolId::Osap;
  session.scheme = scheme;
  session.entity_type = party.entity.type;
  session.entity_digest = party.entity.digest;
  session.nonce_even = tpm.nonce();
  session.shared_secret = Secret(crypto::hmac_of(party.entity.secret, nonce_even_osap, nonce_odd));
  if (party.delegation) session.delegate = wire::SizedBytes(wire::encode(*party.delegation));
  return Opened{{session.handle}, {session.nonce_even}, {nonce_even_osap}};
}

// A row stands for the owner, with a secret of its own.
Party party_of(const Tpm& tpm, const DelegateRow& row) {
  Entity owner = Entity::owner(tpm);
  owner.secret = row.auth;
  return {owner, row.pub};
}

Result<const DelegateRow*> current_row(const Tpm& tpm, uint32_t index) {
  const DelegateRow* row = tpm.delegation->row(index);
  TRY(require(row != nullptr, Rc::BadIndex));
  TRY(check_current(*tpm.delegation, row->pub));
  return row;
}

// ---- 18.1 TPM_OIAP ----
struct Oiap {
  using In = Nothing;
  struct Out {
    AnyHandle handle;
    Clear<Nonce> nonce_even;
  };
  static Result<Out> run(Call& call, const In&) {
    TRY(require(call.tpm.sessions->free_slots() > 0, Rc::Resources));
    Session& session = *TRY(call.tpm.sessions.edit().open());  // 1
    session.protocol = ProtocolId::Oiap;                       // 2.a
    session.nonce_even = call.tpm.nonce();                     // 2.b
    return Out{{session.handle}, {session.nonce_even}};        // 3
  }
};

// ---- 18.2 TPM_OSAP ----
struct Osap {
  struct In {
    Clear<uint16_t> entity_type;
    AnyHandle entity_value;
    Clear<Nonce> nonce_odd;
  };
  using Out = Opened;
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    TypeAndScheme asked(in.entity_type.value);
    TRY(require(asked.supported(tpm.flags->fips), Rc::InappropriateEnc));                       // 5
    Party party = TRY(party_of_entity(tpm, asked.type, in.entity_value.value, call.locality));  // 6-11
    return open_session(tpm, asked.scheme, party, in.nonce_odd.value);                          // 1-4
  }

 private:
  static Result<Party> party_of_entity(const Tpm& tpm, EntityType type, uint32_t value, uint8_t locality) {
    if (type != EntityType::Owner) return Party{TRY(entity_of(tpm, type, value, locality)), {}};
    const DelegateRow* stand_in = TRY(owners_stand_in(tpm));  // 7.b
    if (stand_in != nullptr) return party_of(tpm, *stand_in);
    return Party{Entity::owner(tpm), {}};
  }

  static Result<Entity> entity_of(const Tpm& tpm, EntityType type, uint32_t value, uint8_t locality) {
    switch (type) {
      case EntityType::KeyHandle:  // 6
        TRY(require(value != kOperatorHandle, Rc::BadHandle));
        return Entity::of(*TRY(tpm.find_key(value, kAnyState, locality)));
      case EntityType::Srk:  // 8
        return Entity::of(*TRY(tpm.find_key(kSrkHandle, kAnyState, locality)));
      case EntityType::Counter: {  // 9
        const Counter* counter = tpm.counters->find(value);
        TRY(require(counter != nullptr, Rc::BadCounter));
        return Entity::of(*counter);
      }
      case EntityType::Nv: {  // 10
        const NvArea* area = tpm.nv->find(value);
        TRY(require(area != nullptr, Rc::BadIndex));
        return Entity::of(*area);
      }
      default:
        return Rc::BadParameter;  // 11
    }
  }
};

// ---- 18.3 TPM_DSAP ----
struct Dsap {
  struct In {
    Clear<uint16_t> entity_type;
    AnyHandle key;
    Clear<Nonce> nonce_odd;
    wire::SizedBytes entity_value;
  };
  using Out = Opened;
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    TypeAndScheme asked(in.entity_type.value);
    TRY(require(asked.supported(tpm.flags->fips), Rc::InappropriateEnc));
    Party party = TRY(party_of_delegation(call, asked.type, in));       // 1-4
    return open_session(tpm, asked.scheme, party, in.nonce_odd.value);  // 5-7
  }

 private:
  static Result<Party> party_of_delegation(const Call& call, EntityType type, const In& in) {
    const Tpm& tpm = call.tpm;
    switch (type) {
      case EntityType::DelegationOwnerBlob: {                                         // 1
        auto blob = TRY(in.entity_value.as<DelegateOwnerBlob>(Rc::WrongEntityType));  // 1.a-b
        TRY(require(blob.tag == StructureTag::DelegateOwnerBlob, Rc::WrongEntityType));
        Entity owner = Entity::owner(tpm);
        owner.secret = TRY(secret_in(tpm, blob));  // 1.c-j
        return Party{owner, blob.pub};
      }
      case EntityType::DelegationRow: {  // 2
        uint32_t index = TRY(in.entity_value.as<uint32_t>(Rc::BadParamSize));
        return party_of(tpm, *TRY(current_row(tpm, index)));
      }
      case EntityType::DelegationKeyBlob: {                                         // 3
        auto blob = TRY(in.entity_value.as<DelegateKeyBlob>(Rc::WrongEntityType));  // 3.a-b
        TRY(require(blob.tag == StructureTag::DelegateKeyBlob, Rc::WrongEntityType));
        Secret secret = TRY(secret_in(tpm, blob));                                    // 3.c-g, 3.i-k
        const Key& key = *TRY(tpm.find_key(in.key.value, kAnyState, call.locality));  // 3.h
        TRY(require(crypto::sha1_of(key.blob.pub_key) == blob.pub_key_digest, Rc::KeyNotFound));
        Entity entity = Entity::of(key);
        entity.secret = secret;
        return Party{entity, blob.pub};
      }
      default:
        return Rc::BadParameter;  // 4
    }
  }

  template <class Blob>
  static Result<Secret> secret_in(const Tpm& tpm, const Blob& blob) {
    TRY(check_current(*tpm.delegation, blob.pub));
    TRY(require(intact(tpm.ownership->tpm_proof, blob), Rc::AuthFail));
    std::optional<Secret> secret = open_delegation(tpm, blob);
    TRY(require(secret.has_value(), Rc::BadDelegate));
    return *secret;
  }
};

// ---- 18.4 TPM_SetOwnerPointer ----
struct SetOwnerPointer {
  struct In {
    uint16_t entity_type = 0;
    uint32_t entity_value = 0;
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;  // 1
    TRY(require(in.entity_type <= 0xff, Rc::BadParameter));
    switch (static_cast<EntityType>(in.entity_type)) {
      case EntityType::DelegationRow:                          // 2
        TRY(current_row(tpm, in.entity_value));                // 2.a-f
        tpm.stclear.edit().owner_reference = in.entity_value;  // 2.g-h
        return Out{};
      case EntityType::Owner:  // 3
        tpm.stclear.edit().owner_reference = kOwnerHandle;
        return Out{};
      default:
        return Rc::BadParameter;  // 4
    }
  }
};

constexpr Needs kOwned = Needs::Started | Needs{.owner = true};
// The size of entityValue stays in clear too (Part 3, 24.2, action 4.d).
constexpr size_t kDsapClear = 30;

constexpr std::array kRows = {
    row<Oiap>(ordinal::OIAP, "TPM_OIAP", Needs::Started),
    row<Osap>(ordinal::OSAP, "TPM_OSAP", kOwned),
    clear_in(kDsapClear, may_name_key(row<Dsap>(ordinal::DSAP, "TPM_DSAP", kOwned))),
    row<SetOwnerPointer>(ordinal::SetOwnerPointer, "TPM_SetOwnerPointer", Needs::Operational),
};

}  // namespace

Chapter chapter_18() { return kRows; }

}  // namespace tpm
