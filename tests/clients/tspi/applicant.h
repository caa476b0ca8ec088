// SPDX-License-Identifier: MIT
// What a platform does to get an identity certified, through libtspi.
#pragma once

#include "tests/clients/tspi/privacy_ca.h"

namespace tspi {

// The certificate of the endorsement key, as a platform holds it.
void set_certificate(const Session& session, Bytes certificate);
// Makes the identity key and the request to the CA, which `requested` gets.
TSS_RESULT collate(const Session& session, const PrivacyCa& ca, TSS_HKEY identity, const std::string& label,
                   Bytes& requested);
// What the CA's answer has inside goes to `credential`.
TSS_RESULT activate(const Session& session, TSS_HKEY identity, Attestation attestation, Bytes& credential);

}  // namespace tspi
