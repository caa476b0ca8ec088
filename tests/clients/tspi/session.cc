// SPDX-License-Identifier: MIT

#include "tests/clients/tspi/session.h"

#include <cstdio>
#include <cstdlib>

namespace tspi {

bool holds(bool condition, const std::string& text, const std::string& detail) {
  std::printf("%s %s%s%s\n", condition ? "ok" : "bad", text.c_str(), condition ? "" : ": ",
              condition ? "" : detail.c_str());
  std::fflush(stdout);
  return condition;
}

bool gives(TSS_RESULT got, TSS_RESULT wanted, const std::string& text) {
  char detail[80];
  std::snprintf(detail, sizeof detail, "got 0x%x, wanted 0x%x", got, wanted);
  return holds(got == wanted, text, detail);
}

void must(TSS_RESULT result, const char* what) {
  if (result == TSS_SUCCESS) return;
  gives(result, TSS_SUCCESS, what);
  std::exit(1);
}

Session::Session(const std::string& port) {
  must(setenv("TSS_TCSD_PORT", port.c_str(), 1) == 0 ? TSS_SUCCESS : TSS_E_FAIL, "setenv");
  must(Tspi_Context_Create(&context), "Tspi_Context_Create");
  must(Tspi_Context_Connect(context, nullptr), "Tspi_Context_Connect");
  must(Tspi_Context_GetTpmObject(context, &tpm), "Tspi_Context_GetTpmObject");
  TSS_UUID uuid = TSS_UUID_SRK;
  must(Tspi_Context_LoadKeyByUUID(context, TSS_PS_TYPE_SYSTEM, uuid, &srk), "Tspi_Context_LoadKeyByUUID");
  assign_secret(srk);
  assign_secret(tpm);
}

TSS_HPOLICY Session::assign_secret(TSS_HOBJECT object, BYTE filler, TSS_FLAG kind) const {
  Bytes secret(20, filler);
  TSS_HPOLICY policy = 0;
  must(Tspi_Context_CreateObject(context, TSS_OBJECT_TYPE_POLICY, kind, &policy), "create a policy");
  must(Tspi_Policy_SetSecret(policy, TSS_SECRET_MODE_SHA1, 20, secret.data()), "Tspi_Policy_SetSecret");
  must(Tspi_Policy_AssignToObject(policy, object), "Tspi_Policy_AssignToObject");
  return policy;
}

TSS_HKEY Session::key_object(TSS_FLAG type) const {
  TSS_HKEY key = 0;
  must(Tspi_Context_CreateObject(context, TSS_OBJECT_TYPE_RSAKEY, type | TSS_KEY_SIZE_2048, &key),
       "create a key object");
  return key;
}

TSS_HKEY Session::make_key(TSS_FLAG type, TSS_FLAG authorization) const {
  TSS_HKEY key = key_object(type | authorization);
  if (authorization == TSS_KEY_AUTHORIZATION) assign_secret(key);
  if (type & TSS_KEY_MIGRATABLE) assign_secret(key, 0, TSS_POLICY_MIGRATION);
  must(Tspi_Key_CreateKey(key, srk, 0), "Tspi_Key_CreateKey");
  must(Tspi_Key_LoadKey(key, srk), "Tspi_Key_LoadKey");
  return key;
}

Bytes Session::sign(TSS_HKEY key, const Bytes& message) const {
  TSS_HHASH hash = 0;
  Bytes digest = sha1(message);
  must(Tspi_Context_CreateObject(context, TSS_OBJECT_TYPE_HASH, TSS_HASH_SHA1, &hash), "create a hash");
  must(Tspi_Hash_SetHashValue(hash, static_cast<UINT32>(digest.size()), digest.data()), "Tspi_Hash_SetHashValue");
  UINT32 size = 0;
  BYTE* signature = nullptr;
  must(Tspi_Hash_Sign(hash, key, &size, &signature), "Tspi_Hash_Sign");
  return {signature, signature + size};
}

Bytes attribute(TSS_HOBJECT object, TSS_FLAG flag, TSS_FLAG sub_flag) {
  UINT32 size = 0;
  BYTE* data = nullptr;
  must(Tspi_GetAttribData(object, flag, sub_flag, &size, &data), "Tspi_GetAttribData");
  return {data, data + size};
}

Bytes modulus_of(TSS_HKEY key) { return attribute(key, TSS_TSPATTRIB_RSAKEY_INFO, TSS_TSPATTRIB_KEYINFO_RSA_MODULUS); }

TSS_VALIDATION challenge(Bytes& nonce) {
  TSS_VALIDATION validation{};
  validation.ulExternalDataLength = static_cast<UINT32>(nonce.size());
  validation.rgbExternalData = nonce.data();
  return validation;
}

Bytes signed_data(const TSS_VALIDATION& validation) {
  return {validation.rgbData, validation.rgbData + validation.ulDataLength};
}

Bytes signature_in(const TSS_VALIDATION& validation) {
  return {validation.rgbValidationData, validation.rgbValidationData + validation.ulValidationDataLength};
}

}  // namespace tspi
