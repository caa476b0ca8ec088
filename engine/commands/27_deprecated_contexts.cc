// SPDX-License-Identifier: MIT
// Part 3, 27.2: the context commands of version 1.1.
#include "engine/commands/chapters.h"
#include "engine/dispatch/execute.h"
#include "engine/spec/ordinals.h"
#include "engine/state/context_blob.h"
#include "engine/state/evict_key.h"

namespace tpm {

namespace {

struct Resource {
  AnyHandle handle;
};
struct Saved {
  wire::SizedBytes blob;
};
struct ToLoad {
  wire::Sized<ContextBlob> blob;
};

// The nonce that TPM_Reset and a loss of power change.
const Nonce& nonce_11(Tpm& tpm) {
  if (tpm.contexts->nonce_11 == Nonce{}) tpm.contexts.edit().nonce_11 = tpm.nonce();
  return tpm.contexts->nonce_11;
}

wire::SizedBytes close_11(Tpm& tpm, ContextBlob blob, View resource) {
  return wire::SizedBytes(wire::encode(close_context(tpm, std::move(blob), nonce_11(tpm), resource)));
}

Result<ContextSensitive> open_11(const Tpm& tpm, const ContextBlob& blob, ResourceType type) {
  TRY(require(blob.type == type, Rc::BadParameter));
  ContextSensitive inner = TRY(open_context(tpm, blob));
  TRY(require(inner.nonce == tpm.contexts->nonce_11, Rc::BadContext));
  return inner;
}

// ---- 27.2.1 TPM_SaveKeyContext ----
struct SaveKeyContext {
  using In = Resource;
  using Out = Saved;
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    const KeySlots::Slot* slot = tpm.keys->slot(in.handle.value);
    TRY(require(slot != nullptr, Rc::InvalidKeyHandle));
    Bytes resource = wire::encode(slot->key);
    TRY(evict_key(tpm, in.handle.value));
    ContextBlob blob{.type = ResourceType::Key, .handle = in.handle.value};
    return Out{close_11(tpm, blob, resource)};
  }
};

// ---- 27.2.2 TPM_LoadKeyContext ----
struct LoadKeyContext {
  using In = ToLoad;
  using Out = Resource;
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    ContextSensitive inner = TRY(open_11(tpm, in.blob.value, ResourceType::Key));
    Key key = TRY(inner.internal.as<Key>(Rc::BadContext));
    TRY(require(tpm.keys->free_slots() > 0, Rc::Resources));
    return Out{{TRY(tpm.keys.edit().load(std::move(key), in.blob.value.handle))}};
  }
};

// ---- 27.2.3 TPM_SaveAuthContext ----
struct SaveAuthContext {
  using In = Resource;
  using Out = Saved;
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    const Session* session = tpm.sessions->find(in.handle.value);
    TRY(require(session != nullptr, Rc::InvalidAuthHandle));
    Bytes resource = wire::encode(*session);
    ContextBlob blob{.type = ResourceType::Auth, .handle = in.handle.value};
    blob.count = TRY(tpm.contexts.edit().add(true));
    tpm.sessions.edit().end(in.handle.value);
    return Out{close_11(tpm, blob, resource)};
  }
};

// ---- 27.2.4 TPM_LoadAuthContext ----
struct LoadAuthContext {
  using In = ToLoad;
  using Out = Resource;
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    const ContextBlob& blob = in.blob.value;
    ContextSensitive inner = TRY(open_11(tpm, blob, ResourceType::Auth));
    TRY(require(tpm.contexts->holds(blob.count), Rc::BadContext));
    auto session = TRY(inner.internal.as<Session>(Rc::BadContext));
    TRY(check_entity_present(tpm, session));
    uint32_t handle = TRY(restore(tpm, session));
    tpm.contexts.edit().remove(blob.count);
    return Out{{handle}};
  }
};

constexpr std::array kRows = {
    names_key(row<SaveKeyContext>(ordinal::SaveKeyContext, "TPM_SaveKeyContext", Needs::Unowned)),
    row<LoadKeyContext>(ordinal::LoadKeyContext, "TPM_LoadKeyContext", Needs::Unowned),
    row<SaveAuthContext>(ordinal::SaveAuthContext, "TPM_SaveAuthContext", Needs::Unowned),
    row<LoadAuthContext>(ordinal::LoadAuthContext, "TPM_LoadAuthContext", Needs::Unowned),
};

}  // namespace

Chapter chapter_27_contexts() { return kRows; }

}  // namespace tpm
