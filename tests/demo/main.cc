// SPDX-License-Identifier: MIT
// The demonstration: what an owner does with a TPM, in the guest, over vtpm-frontend's socket. Speaks the tests' own
// encoder; what it says about the quote is left to OpenSSL's command line, from the files it writes.
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/engine/stream_transport.h"
#include "tests/engine/tpm_client.h"

namespace {

using client::Bytes;
using client::Digest;

void step(const std::string& text) { std::printf("  %s\n", text.c_str()); }

[[noreturn]] void fail(const std::string& what, const client::Reply& reply) {
  std::printf("  FAILED: %s: TPM code 0x%x %s\n", what.c_str(), reply.code, reply.defect.c_str());
  std::exit(1);
}
template <class A>
A expect(const std::string& what, A answer) {
  if (!answer.ok()) fail(what, answer.reply);
  return answer;
}

void write_file(const std::string& name, const Bytes& bytes) {
  std::ofstream(name, std::ios::binary)
      .write(static_cast<const char*>(static_cast<const void*>(bytes.data())),
             static_cast<std::streamsize>(bytes.size()));
}

// The key as OpenSSL's command line reads it.
bool write_pem(const std::string& name, const client::RsaPublic& key) {
  BIGNUM* n = BN_bin2bn(key.modulus.data(), static_cast<int>(key.modulus.size()), nullptr);
  OSSL_PARAM_BLD* build = OSSL_PARAM_BLD_new();
  OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n);
  OSSL_PARAM_BLD_push_ulong(build, OSSL_PKEY_PARAM_RSA_E, key.exponent);
  OSSL_PARAM* params = OSSL_PARAM_BLD_to_param(build);
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr);
  EVP_PKEY* pkey = nullptr;
  bool ok = EVP_PKEY_fromdata_init(context) == 1 && EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1;
  FILE* file = ok ? std::fopen(name.c_str(), "w") : nullptr;
  ok = file != nullptr && PEM_write_PUBKEY(file, pkey) == 1;
  if (file != nullptr) ok = std::fclose(file) == 0 && ok;
  EVP_PKEY_free(pkey);
  EVP_PKEY_CTX_free(context);
  OSSL_PARAM_free(params);
  OSSL_PARAM_BLD_free(build);
  BN_free(n);
  return ok;
}

void start_and_measure(client::Tpm& tpm) {
  // The worker started the TPM up already; a driver that asks again is told so and goes on.
  auto again = tpm.startup();
  if (again.code != 0 && again.code != 0x26) fail("TPM_Startup", again);
  auto version = expect("TPM_GetCapability", tpm.get_capability(0x1a));
  step("TPM answers: version " + client::hex(version.value));
  Digest before = expect("TPM_PCRRead", tpm.pcr_read(10)).value;
  Digest event = client::sha1(client::bytes_of("a measured program"));
  Digest after = expect("TPM_Extend", tpm.extend(10, event)).value;
  Digest wanted = client::sha1(client::Out().raw(before).raw(event));
  if (after != wanted) fail("PCR 10 is not SHA-1(old, event)", {});
  step("PCR 10 extended to " + client::hex(client::bytes_of(after)) + ", as SHA-1 says");
}

void own(client::Tpm& tpm) {
  auto ek = expect("TPM_ReadPubek", tpm.read_pubek());
  step("endorsement key of " + std::to_string(ek.value.modulus.size() * 8) + " bits");
  expect("TPM_TakeOwnership", tpm.take_ownership(ek.value, client::secret("owner"), client::kWellKnown));
  step("ownership taken, storage root key made");
}

void seal_and_unseal(client::Tpm& tpm) {
  Bytes selection = client::pcr_selection({10});
  Digest now = client::composite(selection, {expect("TPM_PCRRead", tpm.pcr_read(10)).value});
  Bytes data = client::bytes_of("the key of a disk");
  Digest auth = client::secret("data");
  auto blob =
      expect("TPM_Seal", tpm.seal(client::kSrk, client::kWellKnown, data, auth, client::pcr_info(selection, now)));
  auto opened = expect("TPM_Unseal", tpm.unseal(client::kSrk, client::kWellKnown, blob.value, auth));
  if (opened.value != data) fail("what was unsealed is not what was sealed", {});
  step("a secret sealed to PCR 10 and unsealed again");
  expect("TPM_Extend", tpm.extend(10, client::sha1(client::bytes_of("another program"))));
  auto refused = tpm.unseal(client::kSrk, client::kWellKnown, blob.value, auth);
  if (refused.code() != 0x18) fail("unseal in another state must answer TPM_WRONGPCRVAL", refused.reply);
  step("and refused (TPM_WRONGPCRVAL) once PCR 10 has moved on");
}

void quote(client::Tpm& tpm, const std::string& directory) {
  Digest auth = client::secret("quote");
  auto made = expect("TPM_CreateWrapKey",
                     tpm.create_wrap_key(client::kSrk, client::kWellKnown, client::signing_key(2048), auth));
  auto loaded = expect("TPM_LoadKey2", tpm.load_key2(client::kSrk, client::kWellKnown, made.value.encode()));
  Digest challenge = client::fresh_nonce();
  auto quoted = expect("TPM_Quote", tpm.quote(loaded.value.handle, auth, challenge, client::pcr_selection({0, 10})));
  // TPM_QUOTE_INFO, put together here from what the verifier knows: the signature must be over exactly this.
  Digest composite = client::sha1(quoted.value.composite);
  Bytes info = client::Out().u32(0x01010000).raw(client::bytes_of("QUOT")).raw(composite).raw(challenge);
  write_file(directory + "/quote.info", info);
  write_file(directory + "/quote.sig", quoted.value.signature);
  if (!write_pem(directory + "/quote.pem", made.value.pub())) fail("the quoting key could not be written", {});
  auto flushed = tpm.flush(loaded.value.handle, 1);
  if (!flushed.ok()) fail("TPM_FlushSpecific", flushed);
  step("PCRs 0 and 10 quoted with a fresh 2048-bit key");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: vtpm-demo tcp:HOST:PORT|unix:PATH DIRECTORY\n");
    return 2;
  }
  client::Stream stream(argv[1], 20'000);
  if (!stream.connected()) {
    std::printf("  FAILED: nobody answers at %s\n", argv[1]);
    return 1;
  }
  client::Tpm tpm(stream.transport());
  start_and_measure(tpm);
  own(tpm);
  seal_and_unseal(tpm);
  quote(tpm, argv[2]);
  return 0;
}
