// SPDX-License-Identifier: MIT
#include "engine/state/evict_key.h"

namespace tpm {

Result<> evict_key(Tpm& tpm, uint32_t handle) {
  const KeySlots::Slot* slot = tpm.keys->slot(handle);
  TRY(require(slot != nullptr, Rc::InvalidKeyHandle));
  TRY(require(!slot->owner_evict, Rc::KeyOwnerControl));
  Digest digest = slot->key.public_digest();
  tpm.sessions.edit().end_entity(EntityType::KeyHandle, &digest);
  return tpm.keys.edit().evict(handle);
}

}  // namespace tpm
