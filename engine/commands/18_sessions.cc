// SPDX-License-Identifier: MIT
// Part 3, 18: authorization sessions.
#include "engine/commands/chapters.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"

namespace tpm {

namespace {

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
  struct Out {
    AnyHandle handle;
    Clear<Nonce> nonce_even;
    Clear<Nonce> nonce_even_osap;
  };
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    TRY(require(tpm.sessions->free_slots() > 0, Rc::Resources));              // 1
    auto scheme = static_cast<EntityScheme>(in.entity_type.value >> 8);
    auto type = static_cast<EntityType>(in.entity_type.value & 0xff);
    TRY(require(supported(scheme, tpm.flags->fips), Rc::InappropriateEnc));   // 5
    Entity entity = TRY(entity_of(tpm, type, in.entity_value.value, call.locality));  // 6-11
    Nonce nonce_even_osap = tpm.nonce();                                      // 3
    Session& session = *TRY(tpm.sessions.edit().open());
    session.protocol = ProtocolId::Osap;                                      // 2.a
    session.scheme = scheme;                                                  // 2.d
    session.entity_type = type;
    session.entity_digest = entity.digest;
    session.nonce_even = tpm.nonce();                                         // 2.b
    session.shared_secret = Secret(crypto::hmac_of(entity.secret, nonce_even_osap, in.nonce_odd.value));  // 4
    return Out{{session.handle}, {session.nonce_even}, {nonce_even_osap}};
  }

 private:
  static bool supported(EntityScheme scheme, bool fips) {
    return scheme == EntityScheme::AesCtr || (scheme == EntityScheme::Xor && !fips);
  }

  static Result<Entity> entity_of(const Tpm& tpm, EntityType type, uint32_t value, uint8_t locality) {
    constexpr Use kAnyState{.public_only = true, .ignore_pcrs = true};
    switch (type) {
      case EntityType::KeyHandle:  // 6
        TRY(require(value != kOperatorHandle, Rc::BadHandle));
        return Entity::of(*TRY(tpm.find_key(value, kAnyState, locality)));
      case EntityType::Owner:  // 7
        return Entity::owner(tpm);
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

constexpr Needs kOwned = Needs::Started | Needs{.owner = true};

constexpr std::array kRows = {
    row<Oiap>(ordinal::OIAP, "TPM_OIAP", Needs::Started),
    row<Osap>(ordinal::OSAP, "TPM_OSAP", kOwned),
};

}  // namespace

Chapter chapter_18() { return kRows; }

}  // namespace tpm
