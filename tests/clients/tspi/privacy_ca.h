// SPDX-License-Identifier: MIT
// A small privacy CA: it knows OpenSSL, the structures of Part 2 and whom it trusts to make TPMs. It never meets one.
#pragma once

#include <optional>
#include <string>

#include "tests/clients/tspi/openssl.h"
#include "tests/engine/tpm_client.h"

namespace tspi {

// TPM_IDENTITY_PROOF: who asks for a certificate.
struct Applicant {
  std::string label;
  client::PubKey identity;
  Bytes binding;
  Bytes endorsement;  // the certificate of the endorsement key
};

// What goes back to the TPM: TPM_ASYM_CA_CONTENTS under an endorsement key, and TPM_SYM_CA_ATTESTATION.
struct Attestation {
  Bytes asymmetric;
  Bytes symmetric;
};

class PrivacyCa {
 public:
  explicit PrivacyCa(const Key& maker) : maker_(maker) {}

  client::PubKey public_key() const;
  const Key& pair() const { return pair_; }
  // Of a TPM_IDENTITY_REQ; nothing unless it is made for this CA.
  std::optional<Applicant> open(const Bytes& request) const;
  // The identity key has signed TPM_IDENTITY_CONTENTS with this label and this CA.
  bool is_bound(const Applicant& applicant) const;
  // The endorsement key that the maker has certified; empty if he has not.
  Bytes endorsed_by_maker(const Applicant& applicant) const;
  // Of an X.509 certificate for the identity key.
  Attestation answer(const client::PubKey& identity, const Bytes& endorsement_key) const;

 private:
  const Key& maker_;
  Key pair_ = make_pair();
};

}  // namespace tspi
