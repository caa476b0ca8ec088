// SPDX-License-Identifier: MIT

#include "tests/clients/tspi/openssl.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <cstdio>
#include <cstdlib>

namespace tspi {
namespace {

using Context = client::PKeyCtx;
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, Frees<EVP_CIPHER_CTX_free>>;
using Certificate = std::unique_ptr<X509, Frees<X509_free>>;
using Number = client::Bn;
constexpr int kBlock = 16;

// Ends the program: without OpenSSL's own work there is nothing to compare with.
void done(bool success, const char* what) {
  if (success) return;
  holds(false, what);
  std::exit(1);
}

int int_of(size_t n) { return static_cast<int>(n); }

void name(X509_NAME* in, const std::string& text) {
  Bytes bytes(text.begin(), text.end());
  done(X509_NAME_add_entry_by_txt(in, "CN", MBSTRING_ASC, bytes.data(), int_of(bytes.size()), -1, 0) == 1,
       "name a subject");
}

}  // namespace

Key public_key(const Bytes& modulus) {
  Number n(BN_bin2bn(modulus.data(), int_of(modulus.size()), nullptr));
  std::unique_ptr<OSSL_PARAM_BLD, Frees<OSSL_PARAM_BLD_free>> builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_uint(builder.get(), OSSL_PKEY_PARAM_RSA_E, 65537);
  std::unique_ptr<OSSL_PARAM, Frees<OSSL_PARAM_free>> parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  Context context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata_init(context.get()) == 1) {
    EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get());
  }
  return Key(key);
}

Key make_pair() {
  Key pair(EVP_RSA_gen(2048));
  done(pair != nullptr, "make a pair of keys");
  return pair;
}

Key pair_in(const std::string& path) {
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "r"), std::fclose);
  Key pair(file ? PEM_read_PrivateKey(file.get(), nullptr, nullptr, nullptr) : nullptr);
  done(pair != nullptr, "read a pair of keys");
  return pair;
}

Bytes modulus_of(const Key& pair) {
  BIGNUM* raw = nullptr;
  done(EVP_PKEY_get_bn_param(pair.get(), OSSL_PKEY_PARAM_RSA_N, &raw) == 1, "read a modulus");
  Number n(raw);
  Bytes modulus(static_cast<size_t>(BN_num_bytes(n.get())));
  BN_bn2bin(n.get(), modulus.data());
  return modulus;
}

Bytes decrypted(const Key& pair, const Bytes& encrypted) {
  Context context(EVP_PKEY_CTX_new(pair.get(), nullptr));
  done(EVP_PKEY_decrypt_init(context.get()) == 1 && EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1,
       "prepare a decryption");
  Bytes plain(256);
  size_t size = plain.size();
  if (EVP_PKEY_decrypt(context.get(), plain.data(), &size, encrypted.data(), encrypted.size()) != 1) return {};
  plain.resize(size);
  return plain;
}

Bytes signature_of(const Key& pair, const Bytes& digest) {
  Context context(EVP_PKEY_CTX_new(pair.get(), nullptr));
  Bytes signature(256);
  size_t size = signature.size();
  done(EVP_PKEY_sign_init(context.get()) == 1 && EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha1()) == 1 &&
           EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), digest.size()) == 1,
       "sign a digest");
  return signature;
}

Bytes aes_encrypted(const Bytes& key, const Bytes& plain) {
  Cipher cipher(EVP_CIPHER_CTX_new());
  Bytes encrypted(kBlock + plain.size() + kBlock);
  int size = 0, last = 0;
  done(RAND_bytes(encrypted.data(), kBlock) == 1 &&
           EVP_EncryptInit_ex(cipher.get(), EVP_aes_128_cbc(), nullptr, key.data(), encrypted.data()) == 1 &&
           EVP_EncryptUpdate(cipher.get(), &encrypted[kBlock], &size, plain.data(), int_of(plain.size())) == 1 &&
           EVP_EncryptFinal_ex(cipher.get(), &encrypted[static_cast<size_t>(kBlock + size)], &last) == 1,
       "encrypt by AES");
  encrypted.resize(static_cast<size_t>(kBlock + size + last));
  return encrypted;
}

Bytes aes_decrypted(const Bytes& key, const Bytes& encrypted) {
  if (encrypted.size() <= kBlock || key.size() != kBlock) return {};
  Cipher cipher(EVP_CIPHER_CTX_new());
  Bytes plain(encrypted.size());
  int size = 0, last = 0;
  if (EVP_DecryptInit_ex(cipher.get(), EVP_aes_128_cbc(), nullptr, key.data(), encrypted.data()) != 1 ||
      EVP_DecryptUpdate(cipher.get(), plain.data(), &size, &encrypted[kBlock], int_of(encrypted.size()) - kBlock) !=
          1 ||
      EVP_DecryptFinal_ex(cipher.get(), &plain[static_cast<size_t>(size)], &last) != 1) {
    return {};
  }
  plain.resize(static_cast<size_t>(size + last));
  return plain;
}

Bytes certificate(const std::string& subject, const Key& key, const std::string& issuer, const Key& issuer_pair) {
  Certificate made(X509_new());
  name(X509_get_subject_name(made.get()), subject);
  name(X509_get_issuer_name(made.get()), issuer);
  done(ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(made.get()), 0) != nullptr &&
           X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600) != nullptr &&
           X509_set_pubkey(made.get(), key.get()) == 1 && X509_sign(made.get(), issuer_pair.get(), EVP_sha256()) > 0,
       "issue a certificate");
  unsigned char* der = nullptr;
  int size = i2d_X509(made.get(), &der);
  done(size > 0, "encode a certificate");
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

Bytes certified_modulus(const Bytes& certificate, const Key& issuer) {
  const unsigned char* at = certificate.data();
  Certificate read(d2i_X509(nullptr, &at, static_cast<long>(certificate.size())));
  if (!read || X509_verify(read.get(), issuer.get()) != 1) return {};
  Key key(X509_get_pubkey(read.get()));
  return key ? modulus_of(key) : Bytes();
}

}  // namespace tspi
