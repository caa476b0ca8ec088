// SPDX-License-Identifier: MIT
// Makes a signing key under the SRK and a quote of PCRs with it, through TrouSerS. Writes modulus, quoted structure and
// signature to files, so that somebody who is neither the TPM nor its stack can verify them.
//
//   tss_quote NONCE-HEX40 DIRECTORY PCR...

#include <tss/tspi.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

// Uses the types of tspi.h and size_t without including them.
#include <trousers/trousers.h>

namespace {

constexpr size_t kDigestBytes = 20;

void check(TSS_RESULT result, const char* what) {
  if (result == TSS_SUCCESS) return;
  std::fprintf(stderr, "tss_quote: %s: 0x%x %s\n", what, result, Trspi_Error_String(result));
  std::exit(1);
}

void write_file(const std::string& path, const BYTE* bytes, size_t size) {
  FILE* file = std::fopen(path.c_str(), "wb");
  bool written = file && std::fwrite(bytes, 1, size, file) == size;
  if (file) written = std::fclose(file) == 0 && written;
  if (written) return;
  std::perror(path.c_str());
  std::exit(1);
}

std::array<BYTE, kDigestBytes> parse_nonce(const char* hex) {
  std::array<BYTE, kDigestBytes> nonce{};
  if (std::strlen(hex) != 2 * kDigestBytes) {
    std::fprintf(stderr, "tss_quote: the nonce has 40 hex digits\n");
    std::exit(2);
  }
  for (size_t i = 0; i < kDigestBytes; ++i) {
    nonce[i] = static_cast<BYTE>(std::stoul(std::string(hex + 2 * i, 2), nullptr, 16));
  }
  return nonce;
}

void use_well_known_secret(TSS_HCONTEXT context, TSS_HOBJECT object) {
  BYTE secret[] = TSS_WELL_KNOWN_SECRET;
  TSS_HPOLICY policy = 0;
  check(Tspi_Context_CreateObject(context, TSS_OBJECT_TYPE_POLICY, TSS_POLICY_USAGE, &policy), "create policy");
  check(Tspi_Policy_SetSecret(policy, TSS_SECRET_MODE_SHA1, sizeof secret, secret), "set secret");
  check(Tspi_Policy_AssignToObject(policy, object), "assign policy");
}

TSS_HKEY load_srk(TSS_HCONTEXT context) {
  TSS_UUID uuid = TSS_UUID_SRK;
  TSS_HKEY srk = 0;
  check(Tspi_Context_LoadKeyByUUID(context, TSS_PS_TYPE_SYSTEM, uuid, &srk), "load SRK");
  use_well_known_secret(context, srk);
  return srk;
}

TSS_HKEY make_signing_key(TSS_HCONTEXT context, TSS_HKEY srk) {
  TSS_HKEY key = 0;
  TSS_FLAG flags = TSS_KEY_SIZE_2048 | TSS_KEY_TYPE_SIGNING | TSS_KEY_AUTHORIZATION | TSS_KEY_NOT_MIGRATABLE;
  check(Tspi_Context_CreateObject(context, TSS_OBJECT_TYPE_RSAKEY, flags, &key), "create key object");
  use_well_known_secret(context, key);
  check(Tspi_Key_CreateKey(key, srk, 0), "create key");
  check(Tspi_Key_LoadKey(key, srk), "load key");
  return key;
}

void write_modulus(TSS_HKEY key, const std::string& path) {
  UINT32 size = 0;
  BYTE* modulus = nullptr;
  check(Tspi_GetAttribData(key, TSS_TSPATTRIB_RSAKEY_INFO, TSS_TSPATTRIB_KEYINFO_RSA_MODULUS, &size, &modulus),
        "read modulus");
  write_file(path, modulus, size);
}

void quote(TSS_HCONTEXT context, TSS_HKEY key, const char* nonce_hex, const std::string& directory, char** pcrs) {
  TSS_HPCRS composite = 0;
  TSS_HTPM tpm = 0;
  check(Tspi_Context_GetTpmObject(context, &tpm), "get TPM");
  check(Tspi_Context_CreateObject(context, TSS_OBJECT_TYPE_PCRS, 0, &composite), "create PCRs");
  for (char** pcr = pcrs; *pcr; ++pcr) {
    check(Tspi_PcrComposite_SelectPcrIndex(composite, static_cast<UINT32>(std::stoul(*pcr))), "select PCR");
  }
  std::array<BYTE, kDigestBytes> nonce = parse_nonce(nonce_hex);
  TSS_VALIDATION validation{};
  validation.ulExternalDataLength = kDigestBytes;
  validation.rgbExternalData = nonce.data();
  check(Tspi_TPM_Quote(tpm, key, composite, &validation), "quote");
  write_file(directory + "/quote", validation.rgbData, validation.ulDataLength);
  write_file(directory + "/signature", validation.rgbValidationData, validation.ulValidationDataLength);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: tss_quote NONCE-HEX40 DIRECTORY PCR...\n");
    return 2;
  }
  TSS_HCONTEXT context = 0;
  check(Tspi_Context_Create(&context), "create context");
  check(Tspi_Context_Connect(context, nullptr), "connect");
  TSS_HKEY key = make_signing_key(context, load_srk(context));
  write_modulus(key, std::string(argv[2]) + "/modulus");
  quote(context, key, argv[1], argv[2], argv + 3);
  check(Tspi_Context_Close(context), "close");
  return 0;
}
