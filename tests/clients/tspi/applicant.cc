// SPDX-License-Identifier: MIT
#include "tests/clients/tspi/applicant.h"

namespace tspi {

namespace {

TSS_HKEY key_of(const Session& session, const client::PubKey& pub) {
  TSS_HKEY key = session.key_object(TSS_KEY_TYPE_LEGACY);
  Bytes blob = pub.encode();
  must(Tspi_SetAttribData(key, TSS_TSPATTRIB_KEY_BLOB, TSS_TSPATTRIB_KEYBLOB_PUBLIC_KEY,
                          static_cast<UINT32>(blob.size()), blob.data()),
       "set a public key");
  return key;
}

}  // namespace

void set_certificate(const Session& session, Bytes certificate) {
  must(Tspi_SetAttribData(session.tpm, TSS_TSPATTRIB_TPM_CREDENTIAL, TSS_TPMATTRIB_EKCERT,
                          static_cast<UINT32>(certificate.size()), certificate.data()),
       "set the certificate of the endorsement key");
}

TSS_RESULT collate(const Session& session, const PrivacyCa& ca, TSS_HKEY identity, const std::string& label,
                   Bytes& requested) {
  Bytes text(label.begin(), label.end());
  UINT32 size = 0;
  BYTE* data = nullptr;
  TSS_RESULT result = Tspi_TPM_CollateIdentityRequest(session.tpm, session.srk, key_of(session, ca.public_key()),
                                                      static_cast<UINT32>(text.size()), text.data(), identity,
                                                      TSS_ALG_AES, &size, &data);
  if (result == TSS_SUCCESS) requested = Bytes(data, data + size);
  return result;
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

}  // namespace tspi
