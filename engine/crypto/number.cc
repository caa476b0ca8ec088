// SPDX-License-Identifier: MIT
#include "engine/crypto/number.h"

#include <openssl/err.h>

#include "lib/base/verify.h"

namespace tpm::crypto {

namespace {

Bignum fresh() {
  Bignum value(BN_new());
  VERIFY(value != nullptr);
  return value;
}

BignumCtx context() {
  BignumCtx ctx(BN_CTX_new());
  VERIFY(ctx != nullptr);
  return ctx;
}

}  // namespace

Number::Number(Bignum value) : value_(std::move(value)) {
  VERIFY(value_ != nullptr);
  BN_set_flags(value_.get(), BN_FLG_CONSTTIME);
}

Number::Number(base::View big_endian)
    : Number(Bignum(BN_bin2bn(big_endian.data(), static_cast<int>(big_endian.size()), nullptr))) {}

Number Number::power_of_two(unsigned power) {
  Bignum value = fresh();
  VERIFY(BN_set_bit(value.get(), static_cast<int>(power)) == 1);
  return Number(std::move(value));
}

base::Bytes Number::bytes() const {
  base::Bytes out(static_cast<size_t>(BN_num_bytes(value_.get())));
  BN_bn2bin(value_.get(), out.data());
  return out;
}

std::optional<base::Bytes> Number::bytes(size_t width) const {
  base::Bytes out(width);
  if (BN_bn2binpad(value_.get(), out.data(), static_cast<int>(width)) < 0) return std::nullopt;
  return out;
}

Number Number::low_bits(unsigned n_bits) const {
  Bignum low(BN_dup(value_.get()));
  VERIFY(low != nullptr);
  // It is an error for OpenSSL to keep more bits than there are.
  if (BN_num_bits(low.get()) > static_cast<int>(n_bits)) VERIFY(BN_mask_bits(low.get(), static_cast<int>(n_bits)) == 1);
  return Number(std::move(low));
}

Number Number::without_low_bits(unsigned n_bits) const {
  Bignum high = fresh();
  VERIFY(BN_rshift(high.get(), value_.get(), static_cast<int>(n_bits)) == 1);
  return Number(std::move(high));
}

Number operator+(const Number& a, const Number& b) {
  Bignum sum = fresh();
  VERIFY(BN_add(sum.get(), a.value_.get(), b.value_.get()) == 1);
  return Number(std::move(sum));
}

Number operator*(const Number& a, const Number& b) {
  Bignum product = fresh();
  VERIFY(BN_mul(product.get(), a.value_.get(), b.value_.get(), context().get()) == 1);
  return Number(std::move(product));
}

std::optional<Number> modulo(const Number& a, const Number& modulus) {
  if (BN_is_zero(modulus.value_.get())) return std::nullopt;
  Bignum rest = fresh();
  VERIFY(BN_mod(rest.get(), a.value_.get(), modulus.value_.get(), context().get()) == 1);
  return Number(std::move(rest));
}

std::optional<Number> power(const Number& base, const Number& exponent, const Number& modulus) {
  if (!BN_is_odd(modulus.value_.get())) return std::nullopt;
  Bignum result = fresh();
  VERIFY(BN_mod_exp_mont_consttime(result.get(), base.value_.get(), exponent.value_.get(), modulus.value_.get(),
                                   context().get(), nullptr) == 1);
  return Number(std::move(result));
}

}  // namespace tpm::crypto
