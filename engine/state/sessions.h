// SPDX-License-Identifier: MIT
// Authorisation sessions: OIAP, OSAP, DSAP (Part 3, 18).
#pragma once

#include "engine/spec/rc.h"
#include "engine/spec/types.h"

namespace tpm {

struct Session {
  uint32_t handle = 0;  // 0: the slot is free
  ProtocolId protocol{};
  EntityScheme scheme{};
  EntityType entity_type{};
  Nonce nonce_even{};
  Secret shared_secret;       // OSAP and DSAP
  Digest entity_digest{};     // of the entity the shared secret was made from
  wire::SizedBytes delegate;  // DSAP: TPM_DELEGATE_PUBLIC
};

class Sessions {
 public:
  static constexpr size_t kSlots = 16;

  // A new session with the handle set; Resources when every slot is taken.
  Result<Session*> open();
  const Session* find(uint32_t handle) const;
  Session* find(uint32_t handle);
  bool end(uint32_t handle);
  // OSAP and DSAP sessions whose entity is of this type; of this digest too when one is given.
  void end_entity(EntityType type, const Digest* digest = nullptr);
  void end_all_osap();
  void end_all();
  size_t free_slots() const;
  const std::array<Session, kSlots>& all() const { return slots_; }

  static wire::Result<Sessions> read_from(wire::Reader& r);
  void write_to(wire::Writer& w) const;

 private:
  std::array<Session, kSlots> slots_{};
  uint32_t next_handle_ = 0x02000000;
};

}  // namespace tpm
