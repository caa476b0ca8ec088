// SPDX-License-Identifier: MIT
#include "backend/identity/authority.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include <algorithm>

#include "lib/wire/sized.h"

namespace identity {

namespace {

constexpr unsigned kKeyBits = 2048;      // as an endorsement key: no chain is stronger than that
constexpr int kLeastSecurityBits = 112;  // RSA-2048
constexpr long kVersion3 = 2;

// What is sealed of an authority that was made here.
struct Kept {
  uint8_t version = 1;
  wire::SizedBytes key;          // PKCS #8
  wire::SizedBytes certificate;  // X.509
};

std::string why(const std::string& what) {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  return what + ": " + text.data();
}

// No file of ours has one, and nobody is there to be asked.
int no_password(char*, int, int, void*) { return -1; }

int go_on(EVP_PKEY_CTX* context) {
  const auto* cancelled = static_cast<const std::atomic<bool>*>(EVP_PKEY_CTX_get_app_data(context));
  return cancelled->load() ? 0 : 1;
}

Pkey new_key(const std::atomic<bool>& cancelled) {
  PkeyCtx context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  if (!context || EVP_PKEY_keygen_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), kKeyBits) != 1) {
    return nullptr;
  }
  EVP_PKEY_CTX_set_app_data(context.get(), const_cast<std::atomic<bool>*>(&cancelled));  // it is only read
  EVP_PKEY_CTX_set_cb(context.get(), go_on);
  return EVP_PKEY_generate(context.get(), &key) == 1 ? Pkey(key) : nullptr;
}

Pkey key_of(const Modulus& modulus) {
  Bignum n(BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr)), e(BN_new());
  Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free> build(OSSL_PARAM_BLD_new());
  bool built = n && e && build && BN_set_word(e.get(), RSA_F4) == 1 &&
               OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
               OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1;
  if (!built) return nullptr;
  Owned<OSSL_PARAM, OSSL_PARAM_free> params(OSSL_PARAM_BLD_to_param(build.get()));
  PkeyCtx context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return nullptr;
  }
  return Pkey(key);
}

// A name that is another for each key, and tells guests nothing of the host.
bool set_names(X509* certificate, const EVP_PKEY* key) {
  base::Bytes public_key = der_of(i2d_PUBKEY, key);
  std::array<uint8_t, SHA256_DIGEST_LENGTH> digest{};
  if (EVP_Digest(public_key.data(), public_key.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
    return false;
  std::string name = "vTPM authority " + base::hex(base::View(digest).first(8));
  const auto* text = static_cast<const unsigned char*>(static_cast<const void*>(name.data()));
  X509_NAME* subject = X509_get_subject_name(certificate);
  return X509_NAME_add_entry_by_NID(subject, NID_commonName, V_ASN1_UTF8STRING, text, static_cast<int>(name.size()), -1,
                                    0) == 1 &&
         X509_set_issuer_name(certificate, subject) == 1;
}

// Keys with a digest of their own are given none.
bool sign(X509* certificate, EVP_PKEY* key) {
  bool own_digest = EVP_PKEY_is_a(key, "ED25519") == 1 || EVP_PKEY_is_a(key, "ED448") == 1;
  return X509_sign(certificate, key, own_digest ? nullptr : EVP_sha256()) > 0;
}

std::string written(Bio bio) {
  char* text = nullptr;
  long n = BIO_get_mem_data(bio.get(), &text);
  return n > 0 ? std::string(text, static_cast<size_t>(n)) : std::string();
}

}  // namespace

bool sound(const Modulus& modulus) { return (modulus.front() & 0x80) != 0 && (modulus.back() & 1) != 0; }

Result<Authority> Authority::make(const std::atomic<bool>& cancelled) {
  Pkey key = new_key(cancelled);
  Certificate certificate(X509_new());
  bool made = key && certificate && X509_set_version(certificate.get(), kVersion3) == 1 &&
              set_random_serial(certificate.get()) && set_validity(certificate.get(), nullptr) &&
              set_names(certificate.get(), key.get()) && X509_set_pubkey(certificate.get(), key.get()) == 1 &&
              add_authority_extensions(certificate.get()) && sign(certificate.get(), key.get());
  if (!made) return why("no authority could be made");
  std::vector<Certificate> chain;
  chain.push_back(std::move(certificate));
  return Authority(std::move(key), std::move(chain));
}

Result<Authority> Authority::given(base::View certificates, base::View key_text) {
  std::vector<Certificate> chain;
  Bio bio = reading(certificates);
  while (Certificate one{PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr)}) chain.push_back(std::move(one));
  ERR_clear_error();
  if (chain.empty()) return std::string("there is no certificate in PEM in it");
  Bio key_bio = reading(key_text);
  Pkey key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  if (!key) return std::string("its key is not a private key in PEM without a password");
  X509* own = chain.front().get();
  if (X509_check_private_key(own, key.get()) != 1) {
    ERR_clear_error();
    return std::string("its key is not the key of its certificate");
  }
  if (X509_check_ca(own) != 1) return std::string("its certificate is not an authority's (CA:TRUE, keyCertSign)");
  if (EVP_PKEY_get_security_bits(key.get()) < kLeastSecurityBits) {
    return std::string("its key is weaker than RSA with 2048 bits");
  }
  Authority authority(std::move(key), std::move(chain));
  TRY(authority.check_validity());
  return authority;
}

Result<Authority> Authority::from_kept(base::View bytes) {
  auto kept = wire::decode<Kept>(bytes);
  if (!kept.ok() || kept.value().version != 1)
    return std::string("what is kept of the authority is of another version");
  base::View key_der = kept.value().key, certificate_der = kept.value().certificate;
  const uint8_t* at = key_der.data();
  Pkey key(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(key_der.size())));
  at = certificate_der.data();
  Certificate certificate(d2i_X509(nullptr, &at, static_cast<long>(certificate_der.size())));
  if (!key || !certificate || X509_check_private_key(certificate.get(), key.get()) != 1) {
    return why("what is kept of the authority is damaged");
  }
  std::vector<Certificate> chain;
  chain.push_back(std::move(certificate));
  return Authority(std::move(key), std::move(chain));
}

base::Bytes Authority::kept() const {
  Owned<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free> info(EVP_PKEY2PKCS8(key_.get()));
  Kept kept;
  kept.key = wire::SizedBytes(der_of(i2d_PKCS8_PRIV_KEY_INFO, static_cast<const PKCS8_PRIV_KEY_INFO*>(info.get())));
  kept.certificate = wire::SizedBytes(der_of(i2d_X509, own()));
  return wire::encode(kept);
}

Result<base::Bytes> Authority::certify(const Modulus& modulus, const Make& make) const {
  if (!sound(modulus)) return std::string("this is no modulus of an RSA key of 2048 bits");
  TRY(check_validity());
  Pkey key = key_of(modulus);
  Certificate certificate(X509_new());
  bool made = key && certificate && X509_set_version(certificate.get(), kVersion3) == 1 &&
              set_random_serial(certificate.get()) && set_validity(certificate.get(), own()) &&
              X509_set_issuer_name(certificate.get(), X509_get_subject_name(own())) == 1 &&
              X509_set_pubkey(certificate.get(), key.get()) == 1 &&
              add_endorsement_extensions(certificate.get(), own(), make) && sign(certificate.get(), key_.get());
  if (!made) return why("the certificate could not be made");
  return der_of(i2d_X509, static_cast<const X509*>(certificate.get()));
}

std::string Authority::certificates() const {
  Bio bio(BIO_new(BIO_s_mem()));
  for (const Certificate& one : chain_) PEM_write_bio_X509(bio.get(), one.get());
  return written(std::move(bio));
}

Result<> Authority::check_validity() const {
  if (X509_cmp_current_time(X509_get0_notBefore(own())) > 0) {
    return std::string("its certificate is not valid yet: is the host's clock right?");
  }
  if (X509_cmp_current_time(X509_get0_notAfter(own())) < 0) return std::string("its certificate has expired");
  return {};
}

int Authority::days_left() const {
  constexpr int kMost = 100'000;
  int days = 0, seconds = 0;
  if (ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(own())) != 1) return kMost;
  return std::clamp(days, 0, kMost);
}

std::string pem_of_key(const Modulus& modulus) {
  Pkey key = key_of(modulus);
  Bio bio(BIO_new(BIO_s_mem()));
  if (key) PEM_write_bio_PUBKEY(bio.get(), key.get());
  return written(std::move(bio));
}

std::string pem_of_certificate(base::View der) {
  const uint8_t* at = der.data();
  Certificate certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  Bio bio(BIO_new(BIO_s_mem()));
  if (certificate) PEM_write_bio_X509(bio.get(), certificate.get());
  return written(std::move(bio));
}

}  // namespace identity
