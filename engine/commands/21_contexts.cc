// SPDX-License-Identifier: MIT
// Part 3, 21: session and key contexts.
#include "engine/commands/chapters.h"
#include "engine/dispatch/execute.h"
#include "engine/dispatch/transport.h"
#include "engine/spec/ordinals.h"
#include "engine/state/context_blob.h"

namespace tpm {

namespace {

constexpr uint32_t kControlOwnerEvict = 1;  // TPM_KEY_CONTROL_OWNER_EVICT (Part 2, 5.18)

// ---- 21.1 TPM_KeyControlOwner ----
struct KeyControlOwner {
  struct In {
    AnyHandle key;
    PubKey pub_key;
    uint32_t bit_name = 0;
    bool bit_value = false;
  };
  using Out = Nothing;
  static Result<Out> run(Call& call, const In& in) {  // 1: the session
    Tpm& tpm = call.tpm;
    const KeySlots::Slot* slot = tpm.keys->slot(in.key.value);  // 2
    TRY(require(slot != nullptr, Rc::InvalidKeyHandle));
    TRY(require(controllable(slot->key.blob.usage), Rc::InvalidKeyUsage));
    bool same = wire::encode(slot->key.public_key()) == wire::encode(in.pub_key);
    TRY(require(same, Rc::BadParameter));                          // 3
    TRY(require(in.bit_name == kControlOwnerEvict, Rc::BadMode));  // 4-5
    if (slot->owner_evict == in.bit_value) return Out{};
    if (in.bit_value) {
      TRY(require(tpm.keys->evictable_slots() > 2, Rc::NoSpace));  // 5.a.i
      bool lasting = !slot->key.parent_pcr_status && !slot->key.blob.has_flag(kIsVolatile);
      TRY(require(lasting, Rc::BadParameter));  // 5.a.ii
    }
    tpm.keys.edit().slot(in.key.value)->owner_evict = in.bit_value;  // 5.a.iii, 5.b.i
    tpm.owner_keys.edit() = tpm.keys->owners();
    return Out{};  // 6
  }

 private:
  static bool controllable(KeyUsage usage) {
    return usage == KeyUsage::Signing || usage == KeyUsage::Storage || usage == KeyUsage::Identity ||
           usage == KeyUsage::Bind || usage == KeyUsage::Legacy;
  }
};

// ---- 21.2 TPM_SaveContext ----
struct SaveContext {
  struct In {
    AnyHandle handle;
    ResourceType type{};
    std::array<uint8_t, 16> label{};
  };
  struct Out {
    wire::SizedBytes blob;
  };
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    Bytes resource = TRY(contents(tpm, in));                                          // 2-3, 6
    ContextBlob blob{.type = in.type, .handle = in.handle.value, .label = in.label};  // 8.a-e
    if (in.type == ResourceType::Key) {
      if (tpm.stclear->context_nonce_key == Nonce{}) tpm.stclear.edit().context_nonce_key = tpm.nonce();  // 4.a.i
      blob = close_context(tpm, blob, tpm.stclear->context_nonce_key, resource);  // 4.a.ii, 5, 7-9, 11-12
    } else {
      blob.count = TRY(tpm.contexts.edit().add(false));                                                       // 10.a-b
      if (tpm.stany->context_nonce_session == Nonce{}) tpm.stany.edit().context_nonce_session = tpm.nonce();  // 4.b.i
      blob = close_context(tpm, blob, tpm.stany->context_nonce_session, resource);  // 4.b.ii, 5, 7-8, 11-12
      release(tpm, in);                                                             // 10.c
    }
    return Out{wire::SizedBytes(wire::encode(blob))};  // 13-14
  }

 private:
  // The whole resource: all of it is encrypted.
  static Result<Bytes> contents(const Tpm& tpm, const In& in) {
    switch (in.type) {
      case ResourceType::Key: {
        const KeySlots::Slot* slot = tpm.keys->slot(in.handle.value);
        TRY(require(slot != nullptr, Rc::InvalidResource));
        TRY(require(!slot->owner_evict, Rc::OwnerControl));  // 4.a.iii
        return wire::encode(slot->key);
      }
      case ResourceType::Auth: {
        const Session* session = tpm.sessions->find(in.handle.value);
        TRY(require(session != nullptr, Rc::InvalidResource));
        return wire::encode(*session);
      }
      case ResourceType::Trans: {
        const Transport* transport = tpm.transports->find(in.handle.value);
        TRY(require(transport != nullptr, Rc::InvalidResource));
        return wire::encode(*transport);
      }
      default:
        return Rc::InvalidResource;
    }
  }

  static void release(Tpm& tpm, const In& in) {
    if (in.type == ResourceType::Auth) tpm.sessions.edit().end(in.handle.value);
    if (in.type == ResourceType::Trans) end_transport(tpm, in.handle.value);
  }
};

// ---- 21.3 TPM_LoadContext ----
struct LoadContext {
  struct In {
    AnyHandle entity;
    bool keep_handle = false;
    wire::Sized<ContextBlob> blob;  // 1
  };
  struct Out {
    AnyHandle handle;
  };
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    const ContextBlob& blob = in.blob.value;
    ContextSensitive inner = TRY(open_context(tpm, blob));  // 3-4, 6
    if (blob.type == ResourceType::Key) return load_key(tpm, in, inner);
    TRY(require(inner.nonce == tpm.stany->context_nonce_session, Rc::BadContext));  // 5.a.i
    TRY(require(tpm.contexts->holds(blob.count), Rc::BadContext));                  // 9.a-b
    if (blob.type == ResourceType::Auth) return load_session(call, in, inner);
    if (blob.type == ResourceType::Trans) return load_transport(tpm, in, inner);
    return Rc::InvalidResource;
  }

 private:
  // 7-8, 10
  static Result<Out> load_key(Tpm& tpm, const In& in, const ContextSensitive& inner) {
    Key key = TRY(inner.internal.as<Key>(Rc::BadContext));
    bool lasting = !key.parent_pcr_status && !key.blob.has_flag(kIsVolatile);  // 5.b
    TRY(require(lasting || inner.nonce == tpm.stclear->context_nonce_key, Rc::BadContext));
    uint32_t handle = in.blob.value.handle;
    TRY(require(!in.keep_handle || tpm.keys->slot(handle) == nullptr, Rc::BadHandle));
    return Out{{TRY(tpm.keys.edit().load(std::move(key), handle))}};
  }

  static Result<Out> load_session(Call& call, const In& in, const ContextSensitive& inner) {
    Tpm& tpm = call.tpm;
    auto session = TRY(inner.internal.as<Session>(Rc::BadContext));
    TRY(check_entity_present(tpm, session, in.entity.value, call.locality));  // 5.a.ii
    TRY(require(!in.keep_handle || tpm.sessions->is_free(session.handle), Rc::BadHandle));
    uint32_t handle = TRY(restore(tpm, session));
    tpm.contexts.edit().remove(in.blob.value.count);  // 9.c
    return Out{{handle}};
  }

  static Result<Out> load_transport(Tpm& tpm, const In& in, const ContextSensitive& inner) {
    auto transport = TRY(inner.internal.as<Transport>(Rc::BadContext));
    TRY(require(!in.keep_handle || tpm.transports->is_free(transport.handle), Rc::BadHandle));
    uint32_t handle = TRY(restore(tpm, transport));
    tpm.contexts.edit().remove(in.blob.value.count);  // 9.c
    return Out{{handle}};
  }
};

constexpr std::array kRows = {
    delegable(
        OwnerPermission::KeyControlOwner,
        names_key(row<KeyControlOwner>(ordinal::KeyControlOwner, "TPM_KeyControlOwner", Needs::Operational, owner()))),
    may_name_key(row<SaveContext>(ordinal::SaveContext, "TPM_SaveContext", Needs::Operational)),
    row<LoadContext>(ordinal::LoadContext, "TPM_LoadContext", Needs::Operational),
};

}  // namespace

Chapter chapter_21() { return kRows; }

}  // namespace tpm
