// SPDX-License-Identifier: MIT

#include <algorithm>

#include "tests/clients/tspi/session.h"

namespace tspi {
namespace {

bool contains(const Bytes& where, const Bytes& what) {
  return std::search(where.begin(), where.end(), what.begin(), what.end()) != where.end();
}

TSS_VALIDATION challenge(Bytes& nonce) {
  TSS_VALIDATION validation{};
  validation.ulExternalDataLength = static_cast<UINT32>(nonce.size());
  validation.rgbExternalData = nonce.data();
  return validation;
}

void verify(const TSS_VALIDATION& validation, TSS_HKEY key, const Bytes& nonce, const std::string& name) {
  Bytes data(validation.rgbData, validation.rgbData + validation.ulDataLength);
  Bytes signature(validation.rgbValidationData, validation.rgbValidationData + validation.ulValidationDataLength);
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
    Bytes data(validation.rgbData, validation.rgbData + validation.ulDataLength);
    holds(contains(data, sha1(modulus_of(key))), "the certificate holds the digest of the certified key");
  }
  validation = challenge(nonce);
  // The signature scheme is looked at before the usage: action 1 of TPM_CertifyKey.
  gives(Tspi_Key_CertifyKey(witness, key, &validation), TPM_E_BAD_KEY_PROPERTY, "a binding key certifies nothing");
}

}  // namespace tspi
