// SPDX-License-Identifier: MIT
// Number: a natural number that is secret. Wiped when it dies, and raised to in constant time.
#pragma once

#include <openssl/bn.h>

#include <optional>

#include "engine/crypto/openssl.h"
#include "lib/base/bytes.h"

namespace tpm::crypto {

class Number {
 public:
  explicit Number(base::View big_endian);
  // 2^power.
  static Number power_of_two(unsigned power);

  // As few bytes as hold it, or exactly so many; nothing when they do not hold it.
  base::Bytes bytes() const;
  std::optional<base::Bytes> bytes(size_t width) const;
  bool is_one() const { return BN_is_one(value_.get()) != 0; }

  // The lowest bits, and what is left without them.
  Number low_bits(unsigned n_bits) const;
  Number without_low_bits(unsigned n_bits) const;

  friend Number operator+(const Number& a, const Number& b);
  friend Number operator*(const Number& a, const Number& b);
  // Nothing when the modulus is zero.
  friend std::optional<Number> modulo(const Number& a, const Number& modulus);
  // Nothing when the modulus is even: the constant-time algorithm has no use for one.
  friend std::optional<Number> power(const Number& base, const Number& exponent, const Number& modulus);

 private:
  explicit Number(Bignum value);
  Bignum value_;
};

}  // namespace tpm::crypto
