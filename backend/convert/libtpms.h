// SPDX-License-Identifier: MIT
// The permanent state of libtpms' TPM 1.2 (TPM_PermanentAll): its fields in their order, and how to read them.
#pragma once

#include <optional>

#include "backend/convert/reason.h"
#include "engine/spec/delegation.h"
#include "engine/spec/key_structures.h"
#include "engine/spec/nv_structures.h"
#include "engine/spec/other_structures.h"

namespace convert::libtpms {

inline constexpr size_t kCounters = 8, kFamilies = 16, kRows = 4, kOwnerKeys = 10;

struct SymmetricKey {
  tpm::StructureTag tag{};
  bool valid = false;
  uint8_t fill = 0;
  base::Secret<16> key;
};

struct Counter {
  tpm::CounterValue value;
  tpm::Secret auth;
  bool valid = false;
};

struct Family {
  uint8_t label = 0;
  uint32_t id = 0;
  uint32_t verification_count = 0;
  uint32_t flags = 0;
  bool valid = false;
};

struct Row {
  tpm::StructureTag tag{};
  tpm::DelegatePublic pub;
  tpm::Secret auth;
  bool valid = false;
};

struct OwnerKey {
  uint32_t handle = 0;
  tpm::KeyBlob key;  // its private half stands in clear where a parent's cipher would
  bool parent_pcr_status = false;
  uint32_t control = 0;
};

// Without pcrInfo, as all of them; `secret` is EndorsementSecret, or empty when there is no key.
struct EndorsementKey {
  uint32_t ver_or_tag = 0;
  tpm::KeyUsage usage{};
  uint32_t flags = 0;
  tpm::AuthDataUsage auth_data_usage{};
  tpm::KeyParms parms;
  wire::SizedBytes pub_key;
  wire::SizedBytes secret;
};
struct EndorsementSecret {
  tpm::Digest pub_data_digest{};
  wire::SizedBytes prime;
};

struct Secrets {
  uint16_t format = 0;
  tpm::StructureTag tag{};
  tpm::Secret tpm_proof;
  tpm::Secret endorsement_reset;
  tpm::Secret owner_auth;
  tpm::Secret operator_auth;
  tpm::Digest dir{};
};

struct Tables {
  SymmetricKey context_key, delegate_key;
  Counter audit;
  std::array<Counter, kCounters> counters;
  std::array<uint8_t, 32> audited{};  // bit n of byte m: ordinal 8m+n
  std::array<Family, kFamilies> families;
  std::array<Row, kRows> rows;
  uint32_t last_family = 0;
  uint32_t writes_without_owner = 0;
  uint32_t restrict_delegate = 0;
  tpm::Secret daa_seed;
  bool owner_installed = false;
  uint8_t audited_connection_commands = 0;  // TSC_PhysicalPresence, TSC_ResetEstablishmentBit
  bool may_load_maintenance_key = false;
  tpm::Secret daa_proof;
  SymmetricKey daa_blob_key;
};

struct Area {
  tpm::NvDataPublic pub;
  tpm::Secret auth;
  base::Bytes data;
};

struct State {
  Secrets secrets;
  std::optional<tpm::PubKey> maintenance_key;  // nothing: built without maintenance
  EndorsementKey endorsement;
  tpm::KeyBlob storage_root;
  Tables tables;
  uint32_t flags = 0;  // bit n: the n-th of TPM_PERMANENT_FLAGS
  std::vector<OwnerKey> owner_keys;
  std::vector<Area> areas;
};

inline bool is_gpio(uint32_t index) { return index >= tpm::kNvGpioFirst && index <= tpm::kNvGpioLast; }

// All that is in it is well-formed, its digest right; what it means is not looked at.
Result<State> read(base::View state);

}  // namespace convert::libtpms
