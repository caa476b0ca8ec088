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

#include "tests/clients/tspi/privacy_ca.h"

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

TSS_HKEY tss_key(const Session& session, const client::PubKey& pub) {
  TSS_HKEY key = session.key_object(TSS_KEY_TYPE_LEGACY);
  Bytes blob = pub.encode();
  must(Tspi_SetAttribData(key, TSS_TSPATTRIB_KEY_BLOB, TSS_TSPATTRIB_KEYBLOB_PUBLIC_KEY,
                          static_cast<UINT32>(blob.size()), blob.data()),
       "set the CA's key");
  return key;
}

Bytes request(const Session& session, const PrivacyCa& ca, TSS_HKEY identity, Bytes endorsement) {
  must(Tspi_SetAttribData(session.tpm, TSS_TSPATTRIB_TPM_CREDENTIAL, TSS_TPMATTRIB_EKCERT,
                          static_cast<UINT32>(endorsement.size()), endorsement.data()),
       "set the certificate of the endorsement key");
  Bytes label = {'r', 'i', 'g'};
  UINT32 size = 0;
  BYTE* data = nullptr;
  must(Tspi_TPM_CollateIdentityRequest(session.tpm, session.srk, tss_key(session, ca.public_key()),
                                       static_cast<UINT32>(label.size()), label.data(), identity, TSS_ALG_AES, &size,
                                       &data),
       "Tspi_TPM_CollateIdentityRequest");
  return {data, data + size};
}

TSS_RESULT activate(const Session& session, TSS_HKEY identity, Attestation attestation, Bytes& credential) {
  UINT32 size = 0;
  BYTE* data = nullptr;
  Bytes &asym = attestation.asymmetric, &sym = attestation.symmetric;
  TSS_RESULT result = Tspi_TPM_ActivateIdentity(session.tpm, identity, static_cast<UINT32>(asym.size()), asym.data(),
                                                static_cast<UINT32>(sym.size()), sym.data(), &size, &data);
  if (result == TSS_SUCCESS) credential = Bytes(data, data + size);
  return result;
}

bool run(const Key& authority, const Bytes& endorsement) {
  Session session("30003");
  PrivacyCa ca(authority);
  TSS_HKEY identity = session.key_object(TSS_KEY_TYPE_IDENTITY | TSS_KEY_AUTHORIZATION);
  session.assign_secret(identity, 0x1d);
  auto applicant = ca.open(request(session, ca, identity, endorsement));
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
