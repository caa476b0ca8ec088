// SPDX-License-Identifier: MIT
#include "engine/state/sessions.h"

namespace tpm {

void Sessions::end_entity(EntityType type, const Digest* digest) {
  end_if([&](const Session& session) {
    bool bound = session.protocol != ProtocolId::Oiap && session.entity_type == type;
    return bound && (digest == nullptr || session.entity_digest == *digest);
  });
}

void Sessions::end_all_osap() {
  end_if([](const Session& session) { return session.protocol != ProtocolId::Oiap; });
}

void Sessions::end_delegated() {
  end_if([](const Session& session) { return session.protocol == ProtocolId::Dsap; });
}

wire::Result<Sessions> Sessions::read_from(wire::Reader& r) {
  Sessions sessions;
  TRY(sessions.read_slots(r));
  return sessions;
}

}  // namespace tpm
