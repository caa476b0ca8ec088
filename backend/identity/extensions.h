// SPDX-License-Identifier: MIT
// The parts of a certificate that say what it is for: of an authority, and of an endorsement key as in TCG's Credential
// Profiles for TPM family 1.2.
#pragma once

#include "backend/identity/openssl.h"

namespace identity {

// What a TPM says of itself.
struct Make {
  std::array<uint8_t, 4> vendor{};  // as TPM_CAP_VERSION_VAL has it
  uint16_t spec_level = 0;
  uint8_t major = 0;  // of the firmware
  uint8_t minor = 0;
};

// False when OpenSSL has no memory. `issuer` is whose key the certificate will be signed with; itself for an authority.
bool add_authority_extensions(X509* certificate);
bool add_endorsement_extensions(X509* certificate, const X509* issuer, const Make& make);

// From one hour ago, for clocks that are behind, but no sooner than `issuer` has it; to when `issuer` ends. Without
// one, for ever.
bool set_validity(X509* certificate, const X509* issuer);
bool set_random_serial(X509* certificate);

}  // namespace identity
