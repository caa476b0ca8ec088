// SPDX-License-Identifier: MIT
// What outlives a loss of power (Part 2, 7.1 and 7.4), cut into sections that are saved and copied apart.
#pragma once

#include "engine/spec/types.h"
#include "engine/state/keys.h"

namespace tpm {

// TPM_PERMANENT_FLAGS without its tag, in the specification's order: TPM_CAP_FLAG_PERMANENT answers with it.
struct PermanentFlags {
  bool disable = true;
  bool ownership = true;
  bool deactivated = true;
  bool read_pubek = true;
  bool disable_owner_clear = false;
  bool allow_maintenance = false;
  bool physical_presence_lifetime_lock = false;
  bool physical_presence_hw_enable = false;
  bool physical_presence_cmd_enable = true;
  bool cekp_used = false;
  bool tpm_post = false;
  bool tpm_post_lock = false;
  bool fips = false;
  bool operator_set = false;
  bool enable_revoke_ek = false;
  bool nv_locked = false;
  bool read_srk_pub = false;
  bool tpm_established = false;
  bool maintenance_done = false;
  bool disable_full_da_logic_info = false;
};

struct Ownership {
  bool installed = false;
  Secret owner_auth;
  Secret operator_auth;
  Secret tpm_proof;
  Key srk;

  Digest owner_digest() const;
};

struct Endorsement {
  Key key;  // present() once there is one; usage_auth is never used
  Secret reset_auth;
};

// What governs keys that leave the TPM: certified migration (Part 2, 5.17) and maintenance (Part 3, 12).
struct KeyTransfer {
  uint32_t restrict_delegate = 0;
  bool maintenance_key_loaded = false;
  PubKey maintenance_key;  // manuMaintPub
};

// What TPM_SaveState left for the next TPM_Startup(ST_STATE).
struct SavedState {
  bool valid = false;
  wire::SizedBytes volatile_state;
};

}  // namespace tpm
