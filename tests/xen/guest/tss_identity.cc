// SPDX-License-Identifier: MIT
// An attestation identity through TrouSerS, certified by a privacy CA that believes the host's authority: it takes the
// endorsement key from the certificate that the guest has found in its TPM, and the TPM activates what is encrypted for
// it.
//
//   tss_identity AUTHORITY.pem ENDORSEMENT.der

#include <openssl/pem.h>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "tests/clients/tspi/applicant.h"

namespace {

using namespace tspi;

Bytes content(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Key authority_in(const char* path) {
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path, "r"), std::fclose);
  X509* certificate = file ? PEM_read_X509(file.get(), nullptr, nullptr, nullptr) : nullptr;
  Key key(certificate ? X509_get_pubkey(certificate) : nullptr);
  X509_free(certificate);
  return key;
}

bool run(const Key& authority, const Bytes& endorsement) {
  Session session("30003");
  PrivacyCa ca(authority);
  TSS_HKEY identity = session.key_object(TSS_KEY_TYPE_IDENTITY | TSS_KEY_AUTHORIZATION);
  session.assign_secret(identity, 0x1d);
  Bytes requested;
  set_certificate(session, endorsement);
  must(collate(session, ca, identity, "rig", requested), "Tspi_TPM_CollateIdentityRequest");
  auto applicant = ca.open(requested);
  if (!holds(applicant && ca.is_bound(*applicant), "the CA opens a request that is bound to it")) return false;
  must(Tspi_Key_LoadKey(identity, session.srk), "load the identity key");
  Bytes certified = ca.endorsed_by_maker(*applicant), credential;
  if (!holds(certified.size() == 256, "the authority has certified the endorsement key")) return false;
  Bytes other = modulus_of(ca.pair());
  bool refused = gives(activate(session, identity, ca.answer(applicant->identity, other), credential),
                       TPM_E_DECRYPT_ERROR, "an answer for another TPM is not activated");
  bool activated = gives(activate(session, identity, ca.answer(applicant->identity, certified), credential),
                         TSS_SUCCESS, "the answer for the certified key is");
  return refused && activated &&
         holds(certified_modulus(credential, ca.pair()) == tspi::modulus_of(identity),
               "and gives the CA's certificate");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  Key authority = authority_in(argv[1]);
  if (!authority) return 2;
  return run(authority, content(argv[2])) ? 0 : 1;
}
