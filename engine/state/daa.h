// SPDX-License-Identifier: MIT
// DAA sessions (Part 3, 26), and the secrets that outlive them and their owner.
#pragma once

#include "engine/spec/daa_structures.h"
#include "engine/spec/rc.h"

namespace tpm {

// Made anew with every endorsement key (Part 3, 14.1), and left alone by owner clear.
struct DaaSecrets {
  Secret tpm_seed;  // tpmDAASeed
  Secret proof;     // daaProof
  base::Secret<16> blob_key;
};

struct DaaSession {
  uint32_t handle = 0;  // 0: the slot is free
  DaaIssuer issuer;
  DaaTpm tpm;
  DaaContext context;
  DaaJoinData join;
};

class DaaSessions {
 public:
  static constexpr size_t kSlots = 1;

  // A session with no more than its handle; Resources when every slot is taken.
  Result<DaaSession> open();
  // BadHandle.
  Result<const DaaSession*> find(uint32_t handle) const;
  // Takes the place of the session with its handle, or of a free slot after open().
  void keep(DaaSession session);
  bool end(uint32_t handle);
  size_t free_slots() const;
  const std::array<DaaSession, kSlots>& all() const { return slots_; }

  static wire::Result<DaaSessions> read_from(wire::Reader& r);
  void write_to(wire::Writer& w) const;

 private:
  std::array<DaaSession, kSlots> slots_{};
  uint32_t next_handle_ = 0x06000000;
};

}  // namespace tpm
