// SPDX-License-Identifier: MIT

#include "tests/clients/tspi/session.h"

namespace tspi {
namespace {

void verify(const TSS_VALIDATION& validation, TSS_HKEY key, const Bytes& nonce, const std::string& name) {
  Bytes data = signed_data(validation), signature = signature_in(validation);
  holds(verifies(modulus_of(key), data, signature), "OpenSSL verifies " + name);
  holds(contains(data, nonce), name + " holds the challenger's nonce");
  data.back() ^= 1;
  holds(!verifies(modulus_of(key), data, signature), "changed, " + name + " does not verify");
}

}  // namespace

void test_attestation(const Session& session) {
  TSS_HKEY witness = session.make_key(TSS_KEY_TYPE_SIGNING | TSS_KEY_NOT_MIGRATABLE);
  TSS_HKEY key = session.make_key(TSS_KEY_TYPE_BIND | TSS_KEY_NOT_MIGRATABLE);
  Bytes nonce(20, 0x5a);
  TSS_VALIDATION validation = challenge(nonce);
  if (gives(Tspi_Key_CertifyKey(key, witness, &validation), TSS_SUCCESS, "a key certifies another")) {
    verify(validation, witness, nonce, "the key's certificate");
    holds(contains(signed_data(validation), sha1(modulus_of(key))),
          "the certificate holds the digest of the certified key");
  }
  validation = challenge(nonce);
  // The signature scheme is looked at before the usage: action 1 of TPM_CertifyKey.
  gives(Tspi_Key_CertifyKey(witness, key, &validation), TPM_E_BAD_KEY_PROPERTY, "a binding key certifies nothing");
}

}  // namespace tspi
