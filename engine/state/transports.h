// SPDX-License-Identifier: MIT
// Transport sessions (Part 3, 24).
#pragma once

#include "engine/spec/transport_structures.h"
#include "engine/state/handle_table.h"

namespace tpm {

struct Transport {
  uint32_t handle = 0;
  Secret auth;
  TransportPublic pub;
  Nonce nonce_even{};
  Digest log{};  // transDigest
};

class Transports : public HandleTable<Transport, 3, 0x03000000> {
 public:
  // The session in which the running SHA-1 thread was begun; 0 for none.
  uint32_t sha1_thread = 0;

  static wire::Result<Transports> read_from(wire::Reader& r) {
    Transports transports;
    transports.sha1_thread = TRY(r.uint<uint32_t>());
    TRY(transports.read_slots(r));
    return transports;
  }
  void write_to(wire::Writer& w) const {
    w.uint(sha1_thread);
    HandleTable::write_to(w);
  }
};

}  // namespace tpm
