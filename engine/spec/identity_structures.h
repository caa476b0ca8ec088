// SPDX-License-Identifier: MIT
// Identity structures (Part 2, 12.1, 12.2, 12.5, 12.8) and the symmetric key they carry (9.4).
#pragma once

#include "engine/spec/key_structures.h"

namespace tpm {

// The only length in these structures that takes 16 bits.
struct SymmetricKey {
  Algorithm algorithm{};
  EncScheme enc_scheme{};
  Bytes data;  // wiped by its allocator

  static wire::Result<SymmetricKey> read_from(wire::Reader& r) {
    SymmetricKey key;
    key.algorithm = TRY(r.get<Algorithm>());
    key.enc_scheme = TRY(r.get<EncScheme>());
    uint16_t n_bytes = TRY(r.uint<uint16_t>());
    key.data = TRY(r.owned(n_bytes));
    return key;
  }
  void write_to(wire::Writer& w) const {
    w.put(algorithm);
    w.put(enc_scheme);
    w.uint(static_cast<uint16_t>(data.size()));
    w.bytes(data);
  }
};

enum class EkType : uint16_t { Activate = 1, Auth = 2 };

struct EkBlob {
  StructureTag tag = StructureTag::EkBlob;
  EkType type{};
  wire::SizedBytes blob;
};

struct EkBlobActivate {
  StructureTag tag = StructureTag::EkBlobActivate;
  SymmetricKey session_key;
  Digest id_digest{};
  PcrInfoShort pcr_info;
};

struct AsymCaContents {
  SymmetricKey session_key;
  Digest id_digest{};
};

struct IdentityContents {
  uint32_t version = kVersion11;
  uint32_t ordinal = 0;
  Digest label_priv_ca{};
  PubKey identity_pub;
};

}  // namespace tpm
