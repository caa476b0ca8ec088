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
  if (key == nullptr) return std::nullopt;
  PkeyCtx ctx = context(key);
  if (EVP_PKEY_encrypt_init(ctx.get()) != 1) return without_queue(std::nullopt);
  bool set =
      padding == RSA_PKCS1_OAEP_PADDING ? set_oaep(ctx.get()) : EVP_PKEY_CTX_set_rsa_padding(ctx.get(), padding) == 1;
  Bytes out(n);
  if (!set || EVP_PKEY_encrypt(ctx.get(), out.data(), &n, plain.data(), plain.size()) != 1) {
    return without_queue(std::nullopt);
  }
  out.resize(n);
  return out;
}

std::optional<base::SecretBytes> decrypt(EVP_PKEY* key, size_t n, View cipher, int padding) {
  if (key == nullptr) return std::nullopt;
  PkeyCtx ctx = context(key);
  if (EVP_PKEY_decrypt_init(ctx.get()) != 1) return without_queue(std::nullopt);
  bool set =
      padding == RSA_PKCS1_OAEP_PADDING ? set_oaep(ctx.get()) : EVP_PKEY_CTX_set_rsa_padding(ctx.get(), padding) == 1;
  base::SecretBytes out(n);
  if (!set || EVP_PKEY_decrypt(ctx.get(), out.fill().data(), &n, cipher.data(), cipher.size()) != 1) {
    return without_queue(std::nullopt);
  }
  out.resize(n);
  return out;
}

}  // namespace

// What OpenSSL wants to know of a key: n and e, and from p everything else of the private half.
struct RsaKey::Numbers {
  Bignum n, e, p;  // without p: a public key
  Bignum q{BN_new()}, d{BN_new()}, dp{BN_new()}, dq{BN_new()};

  bool plausible() const { return n && e && BN_is_odd(n.get()) && BN_is_odd(e.get()) && !BN_is_one(e.get()); }

  bool derive(BN_CTX* ctx) {
    Bignum rest(BN_new()), p1(BN_dup(p.get())), q1, phi(BN_new());
    if (BN_is_zero(p.get()) || BN_div(q.get(), rest.get(), n.get(), p.get(), ctx) != 1 || !BN_is_zero(rest.get())) {
      return false;
    }
    if (BN_is_one(p.get()) || BN_is_one(q.get()) || !BN_is_odd(p.get()) || !BN_is_odd(q.get())) return false;
    if (BN_cmp(p.get(), q.get()) == 0) return false;
    q1.reset(BN_dup(q.get()));
    if (BN_sub_word(p1.get(), 1) != 1 || BN_sub_word(q1.get(), 1) != 1) return false;
    for (BIGNUM* secret : {q.get(), d.get(), p1.get(), q1.get(), phi.get()}) BN_set_flags(secret, BN_FLG_CONSTTIME);
    return BN_mul(phi.get(), p1.get(), q1.get(), ctx) == 1 &&
           BN_mod_inverse(d.get(), e.get(), phi.get(), ctx) != nullptr &&
           BN_mod(dp.get(), d.get(), p1.get(), ctx) == 1 && BN_mod(dq.get(), d.get(), q1.get(), ctx) == 1;
  }

  bool push_public(OSSL_PARAM_BLD* build) const {
    return OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
           OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e.get()) == 1;
  }
  bool push_private(OSSL_PARAM_BLD* build, const BIGNUM* qinv) const {
    return OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_D, d.get()) == 1 &&
           OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_FACTOR1, p.get()) == 1 &&
           OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_FACTOR2, q.get()) == 1 &&
           OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_EXPONENT1, dp.get()) == 1 &&
           OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_EXPONENT2, dq.get()) == 1 &&
           OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, qinv) == 1;
  }

  EVP_PKEY* make(bool with_private) const {
    ParamBuild build(OSSL_PARAM_BLD_new());
    if (!build || !push_public(build.get())) return nullptr;
    Bignum qinv(BN_new());
    if (with_private) {
      BignumCtx ctx(BN_CTX_new());
      if (!ctx || !qinv || BN_mod_inverse(qinv.get(), q.get(), p.get(), ctx.get()) == nullptr) return nullptr;
      if (!push_private(build.get(), qinv.get())) return nullptr;
    }
    Params params(OSSL_PARAM_BLD_to_param(build.get()));
    PkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
    EVP_PKEY* key = nullptr;
    int selection = with_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
    bool made = params && ctx && EVP_PKEY_fromdata_init(ctx.get()) == 1 &&
                EVP_PKEY_fromdata(ctx.get(), &key, selection, params.get()) == 1;
    return made ? key : nullptr;
  }
};

RsaKey::RsaKey(std::unique_ptr<Numbers> numbers, size_t bytes) : numbers_(std::move(numbers)), bytes_(bytes) {}
RsaKey::~RsaKey() { EVP_PKEY_free(key_); }

namespace {
bool usable(View modulus, View exponent) {
  constexpr size_t kMostModulus = 512, kMostExponent = 8;
  return !modulus.empty() && modulus.size() <= kMostModulus && exponent.size() <= kMostExponent;
}
}  // namespace

std::shared_ptr<const RsaKey> RsaKey::from_public(View modulus, View exponent) {
  if (!usable(modulus, exponent)) return nullptr;
  std::unique_ptr<Numbers> numbers(new Numbers{.n = number(modulus), .e = exponent_of(exponent)});
  if (!numbers->plausible()) return nullptr;
  std::shared_ptr<const RsaKey> key(new RsaKey(std::move(numbers), modulus.size()));
  return key->public_key() == nullptr ? nullptr : key;
}

std::shared_ptr<const RsaKey> RsaKey::from_prime(View modulus, View exponent, View prime) {
  if (!usable(modulus, exponent)) return nullptr;
  std::unique_ptr<Numbers> numbers(new Numbers{.n = number(modulus), .e = exponent_of(exponent), .p = number(prime)});
  BignumCtx ctx(BN_CTX_new());
  if (!ctx || !numbers->plausible() || !numbers->p || !numbers->derive(ctx.get())) return without_queue(nullptr);
  return std::shared_ptr<const RsaKey>(new RsaKey(std::move(numbers), modulus.size()));
}

// A key that can do private operations can do public ones.
evp_pkey_st* RsaKey::public_key() const {
  if (key_ == nullptr) key_ = numbers_->make(false);
  return without_queue(key_);
}

evp_pkey_st* RsaKey::private_key() const {
  if (key_is_private_) return key_;
  if (!numbers_ || !numbers_->p) return nullptr;
  EVP_PKEY* key = without_queue(numbers_->make(true));
  if (key == nullptr) return nullptr;
  EVP_PKEY_free(key_);
  key_ = key;
  key_is_private_ = true;
  numbers_.reset();
  return key_;
}

std::optional<Bytes> RsaKey::encrypt_oaep(View plain) const {
  return encrypt(public_key(), bytes_, plain, RSA_PKCS1_OAEP_PADDING);
}
std::optional<Bytes> RsaKey::encrypt_pkcs1(View plain) const {
  return encrypt(public_key(), bytes_, plain, RSA_PKCS1_PADDING);
}
std::optional<Bytes> RsaKey::encrypt_raw(View plain) const {
  return encrypt(public_key(), bytes_, plain, RSA_NO_PADDING);
}

std::optional<base::SecretBytes> RsaKey::decrypt_oaep(View cipher) const {
  return decrypt(private_key(), bytes_, cipher, RSA_PKCS1_OAEP_PADDING);
}
std::optional<base::SecretBytes> RsaKey::decrypt_pkcs1(View cipher) const {
  return decrypt(private_key(), bytes_, cipher, RSA_PKCS1_PADDING);
}
std::optional<base::SecretBytes> RsaKey::decrypt_raw(View cipher) const {
  return decrypt(private_key(), bytes_, cipher, RSA_NO_PADDING);
}

std::optional<Bytes> RsaKey::sign_sha1(const Digest& digest) const {
  // The DER header of a DigestInfo that names SHA-1 (RFC 8017, 9.2, note 1).
  Bytes encoded = {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14};
  base::append(encoded, digest);
  return sign_der(encoded);
}

std::optional<Bytes> RsaKey::sign_der(View encoded) const {
  EVP_PKEY* key = private_key();
  if (key == nullptr) return std::nullopt;
  PkeyCtx ctx = context(key);
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
  EVP_PKEY* key = public_key();
  if (key == nullptr) return false;
  PkeyCtx ctx = context(key);
  return without_queue(
      EVP_PKEY_verify_init(ctx.get()) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx.get(), RSA_PKCS1_PADDING) == 1 &&
      EVP_PKEY_CTX_set_signature_md(ctx.get(), EVP_sha1()) == 1 &&
      EVP_PKEY_verify(ctx.get(), signature.data(), signature.size(), digest.data(), digest.size()) == 1);
}

Result<GeneratedRsa> generate_rsa(unsigned bits, View exponent, const std::function<bool()>& cancelled) {
  PkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  Bignum e = exponent_of(exponent);
  if (!ctx || EVP_PKEY_keygen_init(ctx.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_keygen_bits(ctx.get(), static_cast<int>(bits)) != 1 ||
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
