// SPDX-License-Identifier: MIT
// Authorisation sessions: OIAP, OSAP, DSAP (Part 3, 18).
#pragma once

#include "engine/spec/types.h"
#include "engine/state/handle_table.h"

namespace tpm {

struct Session {
  uint32_t handle = 0;
  ProtocolId protocol{};
  EntityScheme scheme{};
  EntityType entity_type{};
  Nonce nonce_even{};
  Secret shared_secret;       // OSAP and DSAP
  Digest entity_digest{};     // of the entity the shared secret was made from
  wire::SizedBytes delegate;  // DSAP: TPM_DELEGATE_PUBLIC
};

class Sessions : public HandleTable<Session, 16, 0x02000000> {
 public:
  // OSAP and DSAP sessions whose entity is of this type; of this digest too when one is given.
  void end_entity(EntityType type, const Digest* digest = nullptr);
  void end_all_osap();
  // Those that a delegation was shown for.
  void end_delegated();

  static wire::Result<Sessions> read_from(wire::Reader& r);
};

}  // namespace tpm
