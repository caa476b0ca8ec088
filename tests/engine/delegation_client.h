// SPDX-License-Identifier: MIT
// Delegation as a caller sees it (Part 2, 20; Part 3, 18.3 and 19).
#pragma once

#include "tests/engine/tpm_client.h"

namespace client {

inline constexpr uint16_t kEtDelOwnerBlob = 7, kEtDelRow = 8, kEtDelKeyBlob = 9;
inline constexpr uint32_t kFamilyCreate = 1, kFamilyEnable = 2, kFamilyAdmin = 3, kFamilyInvalidate = 4;
inline constexpr uint32_t kOwnerBits = 1, kKeyBits = 2;

// TPM_DELEGATE_PUBLIC.
struct DelegatePublic {
  uint8_t label = 0;
  Bytes selection = pcr_selection({});
  uint8_t locality = 0x1f;
  Digest at_release{};
  uint32_t type = kOwnerBits;
  uint32_t per1 = 0;
  uint32_t per2 = 0;
  uint32_t family = 0;
  uint32_t count = 0;

  Bytes encode() const;
};

Command manage(uint32_t family, uint32_t op, const Bytes& data);
Command create_owner_delegation(const DelegatePublic& pub, bool increment, const Session& session,
                                const Digest& secret);
Command create_key_delegation(uint32_t key, const DelegatePublic& pub, const Session& session, const Digest& secret);
Command load_owner_delegation(uint32_t row, const Bytes& blob);
// A TPM_DELEGATE_OWNER_BLOB from before there is an owner: nothing in it is secret.
Bytes plain_owner_blob(const DelegatePublic& pub, const Digest& secret);

Answer<Session> dsap(Tpm& tpm, uint16_t type, uint32_t key, const Bytes& value, const Digest& secret);
Command dsap_command(uint16_t type, uint32_t key, const Bytes& value);

}  // namespace client
