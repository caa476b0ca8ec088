// SPDX-License-Identifier: MIT
#include "engine/crypto/rsa.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <array>

#include "engine/crypto/openssl.h"
#include "lib/base/verify.h"

namespace tpm::crypto {

namespace {

using Params = std::unique_ptr<OSSL_PARAM, Frees<OSSL_PARAM_free>>;
using ParamBuild = std::unique_ptr<OSSL_PARAM_BLD, Frees<OSSL_PARAM_BLD_free>>;

Bignum number(View bytes) { return Bignum(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr)); }

Bignum exponent_of(View exponent) {
  static constexpr std::array<uint8_t, 3> kDefault = {1, 0, 1};
  return exponent.empty() ? number(kDefault) : number(exponent);
}

// Everything OpenSSL wants to know of a private key, from n, e and p.
struct PrivateParts {
  Bignum q{BN_new()}, d{BN_new()}, dp{BN_new()}, dq{BN_new()}, qinv{BN_new()};

  bool derive(const BIGNUM* n, const BIGNUM* e, const BIGNUM* p, BN_CTX* ctx) {
    Bignum rest(BN_new()), p1(BN_dup(p)), q1, phi(BN_new());
    if (BN_is_zero(p) || BN_div(q.get(), rest.get(), n, p, ctx) != 1 || !BN_is_zero(rest.get())) return false;
    if (BN_is_one(p) || BN_is_one(q.get()) || !BN_is_odd(p) || !BN_is_odd(q.get())) return false;
    q1.reset(BN_dup(q.get()));
    if (BN_sub_word(p1.get(), 1) != 1 || BN_sub_word(q1.get(), 1) != 1) return false;
    for (BIGNUM* secret : {q.get(), d.get(), p1.get(), q1.get(), phi.get()}) BN_set_flags(secret, BN_FLG_CONSTTIME);
    return BN_mul(phi.get(), p1.get(), q1.get(), ctx) == 1 && BN_mod_inverse(d.get(), e, phi.get(), ctx) != nullptr &&
           BN_mod(dp.get(), d.get(), p1.get(), ctx) == 1 && BN_mod(dq.get(), d.get(), q1.get(), ctx) == 1 &&
           BN_mod_inverse(qinv.get(), q.get(), p, ctx) != nullptr;
  }

  bool push(OSSL_PARAM_BLD* build, const BIGNUM* p) const {
    return OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_D, d.get()) == 1 &&
           OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_FACTOR1, p) == 1 &&
           OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_FACTOR2, q.get()) == 1 &&
           OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_EXPONENT1, dp.get()) == 1 &&
           OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_EXPONENT2, dq.get()) == 1 &&
           OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, qinv.get()) == 1;
  }
};

// OpenSSL leaves the reasons of a failed operation in a per-thread queue; here a failure is an ordinary answer.
template <class T>
T without_queue(T value) {
  ERR_clear_error();
  return value;
}

PkeyCtx context(EVP_PKEY* key) {
  PkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  VERIFY(ctx != nullptr);
  return ctx;
}

bool set_oaep(EVP_PKEY_CTX* ctx) {
  auto* label = static_cast<uint8_t*>(OPENSSL_malloc(4));
  VERIFY(label != nullptr);
  memcpy(label, "TCPA", 4);
  if (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
      EVP_PKEY_CTX_set_rsa_oaep_md_name(ctx, "SHA1", nullptr) == 1 &&
      EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, label, 4) == 1) {
    return true;
  }
  OPENSSL_free(label);
  return false;
}

std::optional<Bytes> encrypt(EVP_PKEY* key, size_t n, View plain, int padding) {
  PkeyCtx ctx = context(key);
  if (EVP_PKEY_encrypt_init(ctx.get()) != 1) return without_queue(std::nullopt);
  bool set = padding == RSA_PKCS1_OAEP_PADDING ? set_oaep(ctx.get()) : EVP_PKEY_CTX_set_rsa_padding(ctx.get(), padding) == 1;
  Bytes out(n);
  if (!set || EVP_PKEY_encrypt(ctx.get(), out.data(), &n, plain.data(), plain.size()) != 1) {
    return without_queue(std::nullopt);
  }
  out.resize(n);
  return out;
}

std::optional<base::SecretBytes> decrypt(EVP_PKEY* key, size_t n, View cipher, int padding) {
  PkeyCtx ctx = context(key);
  if (EVP_PKEY_decrypt_init(ctx.get()) != 1) return without_queue(std::nullopt);
  bool set = padding == RSA_PKCS1_OAEP_PADDING ? set_oaep(ctx.get()) : EVP_PKEY_CTX_set_rsa_padding(ctx.get(), padding) == 1;
  base::SecretBytes out(n);
  if (!set || EVP_PKEY_decrypt(ctx.get(), out.fill().data(), &n, cipher.data(), cipher.size()) != 1) {
    return without_queue(std::nullopt);
  }
  out.resize(n);
  return out;
}

}  // namespace

RsaKey::RsaKey(evp_pkey_st* key, size_t bytes) : key_(key), bytes_(bytes) {}
RsaKey::~RsaKey() { EVP_PKEY_free(key_); }

std::shared_ptr<const RsaKey> RsaKey::from_public(View modulus, View exponent) { return build(modulus, exponent, nullptr); }

std::shared_ptr<const RsaKey> RsaKey::from_prime(View modulus, View exponent, View prime) {
  return build(modulus, exponent, &prime);
}

std::shared_ptr<const RsaKey> RsaKey::build(View modulus, View exponent, const View* prime) {
  if (modulus.empty() || modulus.size() > 512 || exponent.size() > 8) return nullptr;
  Bignum n = number(modulus), e = exponent_of(exponent);
  BignumCtx bn(BN_CTX_new());
  ParamBuild build(OSSL_PARAM_BLD_new());
  if (!n || !e || !bn || !build || !BN_is_odd(n.get()) || !BN_is_odd(e.get()) || BN_is_one(e.get())) return nullptr;
  if (OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return without_queue(nullptr);
  }
  PrivateParts parts;
  Bignum p;
  if (prime != nullptr) {
    p = number(*prime);
    if (!parts.derive(n.get(), e.get(), p.get(), bn.get()) || !parts.push(build.get(), p.get())) return without_queue(nullptr);
  }
  Params params(OSSL_PARAM_BLD_to_param(build.get()));
  PkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !ctx || EVP_PKEY_fromdata_init(ctx.get()) != 1 ||
      EVP_PKEY_fromdata(ctx.get(), &key, prime != nullptr ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return without_queue(nullptr);
  }
  return std::shared_ptr<const RsaKey>(new RsaKey(key, modulus.size()));
}

std::optional<Bytes> RsaKey::encrypt_oaep(View plain) const { return encrypt(key_, bytes_, plain, RSA_PKCS1_OAEP_PADDING); }
std::optional<Bytes> RsaKey::encrypt_pkcs1(View plain) const { return encrypt(key_, bytes_, plain, RSA_PKCS1_PADDING); }
std::optional<Bytes> RsaKey::encrypt_raw(View plain) const { return encrypt(key_, bytes_, plain, RSA_NO_PADDING); }

std::optional<base::SecretBytes> RsaKey::decrypt_oaep(View cipher) const {
  return decrypt(key_, bytes_, cipher, RSA_PKCS1_OAEP_PADDING);
}
std::optional<base::SecretBytes> RsaKey::decrypt_pkcs1(View cipher) const {
  return decrypt(key_, bytes_, cipher, RSA_PKCS1_PADDING);
}
std::optional<base::SecretBytes> RsaKey::decrypt_raw(View cipher) const {
  return decrypt(key_, bytes_, cipher, RSA_NO_PADDING);
}

std::optional<Bytes> RsaKey::sign_sha1(const Digest& digest) const {
  // The DER header of a DigestInfo that names SHA-1 (RFC 8017, 9.2, note 1).
  Bytes encoded = {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14};
  base::append(encoded, digest);
  return sign_der(encoded);
}

std::optional<Bytes> RsaKey::sign_der(View encoded) const {
  PkeyCtx ctx = context(key_);
  size_t n = bytes_;
  Bytes out(n);
  if (EVP_PKEY_sign_init(ctx.get()) != 1 || EVP_PKEY_CTX_set_rsa_padding(ctx.get(), RSA_PKCS1_PADDING) != 1 ||
      EVP_PKEY_sign(ctx.get(), out.data(), &n, encoded.data(), encoded.size()) != 1) {
    return without_queue(std::nullopt);
  }
  out.resize(n);
  return out;
}

bool RsaKey::verify_sha1(const Digest& digest, View signature) const {
  PkeyCtx ctx = context(key_);
  return without_queue(EVP_PKEY_verify_init(ctx.get()) == 1 &&
                       EVP_PKEY_CTX_set_rsa_padding(ctx.get(), RSA_PKCS1_PADDING) == 1 &&
                       EVP_PKEY_CTX_set_signature_md(ctx.get(), EVP_sha1()) == 1 &&
                       EVP_PKEY_verify(ctx.get(), signature.data(), signature.size(), digest.data(), digest.size()) == 1);
}

Result<GeneratedRsa> generate_rsa(unsigned bits, View exponent, const std::function<bool()>& cancelled) {
  PkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  Bignum e = exponent_of(exponent);
  if (!ctx || EVP_PKEY_keygen_init(ctx.get()) != 1 || EVP_PKEY_CTX_set_rsa_keygen_bits(ctx.get(), static_cast<int>(bits)) != 1 ||
      EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx.get(), e.get()) != 1) {
    return without_queue(Rc::BadKeyProperty);
  }
  // OpenSSL calls back between candidates of a prime; a false answer ends the generation.
  EVP_PKEY_CTX_set_app_data(ctx.get(), const_cast<std::function<bool()>*>(&cancelled));
  EVP_PKEY_CTX_set_cb(ctx.get(), [](EVP_PKEY_CTX* c) -> int {
    auto* asked = static_cast<const std::function<bool()>*>(EVP_PKEY_CTX_get_app_data(c));
    return (*asked)() ? 0 : 1;
  });
  EVP_PKEY* made = nullptr;
  if (EVP_PKEY_keygen(ctx.get(), &made) != 1) return without_queue(cancelled() ? Rc::Retry : Rc::BadKeyProperty);
  Pkey key(made);
  BIGNUM *n = nullptr, *p = nullptr;
  bool got = EVP_PKEY_get_bn_param(made, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
             EVP_PKEY_get_bn_param(made, OSSL_PKEY_PARAM_RSA_FACTOR1, &p) == 1;
  Bignum own_n(n), own_p(p);
  VERIFY(got);
  GeneratedRsa out{.modulus = Bytes(bits / 8), .prime = base::SecretBytes(size_t{bits / 16})};
  VERIFY(BN_bn2binpad(n, out.modulus.data(), static_cast<int>(out.modulus.size())) > 0);
  VERIFY(BN_bn2binpad(p, out.prime.fill().data(), static_cast<int>(out.prime.size())) > 0);
  return out;
}

}  // namespace tpm::crypto
