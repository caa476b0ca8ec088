// SPDX-License-Identifier: MIT
// Direct anonymous attestation without a TPM: an issuer, a host that brings its TPM to join and to sign, and a verifier
// that knows the issuer's public numbers alone. Camenisch and Lysyanskaya's signatures, with the sizes of Part 2, 22.
#pragma once

#include <openssl/bn.h>

#include "tests/engine/migration_client.h"

namespace client::daa {

// A natural number by OpenSSL, with operators.
class Big {
 public:
  Big() : Big(Bytes{}) {}
  explicit Big(const Bytes& big_endian);
  static Big word(unsigned long value);
  static Big power_of_two(int bits);
  static Big random(int bits);
  static Big prime(int bits, const Big* factor_of_predecessor = nullptr);
  Bytes bytes() const;
  Bytes bytes(size_t width) const;
  Big operator+(const Big& o) const;
  Big operator-(const Big& o) const;  // may go below zero
  Big operator*(const Big& o) const;
  Big operator/(const Big& o) const;
  Big mod(const Big& m) const;
  // Modular; a negative exponent takes the inverse.
  Big pow(const Big& exponent, const Big& m) const;
  Big inverse(const Big& m) const;
  bool operator==(const Big& o) const;

 private:
  struct Free {
    void operator()(BIGNUM* value) const { BN_free(value); }
  };
  std::shared_ptr<BIGNUM> value_;
};

// What everybody knows of an issuer.
struct PublicKey {
  Big n, r0, r1, s0, s1, z;
  Big gamma, q;
  Bytes encode() const;
  // TPM_DAA_ISSUER.
  Bytes settings() const;
};

class Issuer {
 public:
  Issuer();
  const PublicKey& pub() const { return pub_; }
  // The chain of keys of stage 1, and their signature on the settings.
  const std::vector<RsaPair>& chain() const { return chain_; }
  Digest digest_n0() const { return sha1(chain_.front().pub.modulus); }
  Bytes link(size_t i) const;  // key i signed by the one before it
  Bytes signature_on_settings() const;
  // An element of order q, as a base for pseudonyms.
  Big base() const;

  struct Certificate {
    Big a, e, v;
  };
  // A signature on what is hidden in u.
  Certificate certify(const Big& u) const;

 private:
  PublicKey pub_;
  Big phi_;
  std::vector<RsaPair> chain_;
};

// ---- The TPM's commands ----

Answer<Bytes> stage(Tpm& tpm, uint32_t ordinal, const Digest& owner, uint32_t handle, uint8_t stage,
                    const Bytes& in0 = {}, const Bytes& in1 = {});
inline constexpr uint32_t kJoin = 0x29, kSign = 0x31;

// ---- Join ----

// Inputs of a stage as a well-behaved host gives them; the outputs so far are asked for what they depend on.
struct Joined {
  Issuer::Certificate certificate;
  Bytes v0, v1, specific;  // TPM_DAA_BLOBs
};
class Join {
 public:
  Join(const Issuer& issuer, const RsaPublic& ek, uint32_t count = 0);
  static constexpr uint8_t kStages = 25;

  // How often each stage is to be called: the first one of the chain once a key.
  size_t calls(uint8_t stage) const { return stage == 1 ? issuer_.chain().size() : 1; }
  Bytes in0(uint8_t stage, size_t call = 0);
  Bytes in1(uint8_t stage, size_t call = 0);
  // What came back; a reason why it cannot be right, or nothing.
  std::string take(uint8_t stage, const Bytes& out);

  uint32_t handle = 0;
  Joined joined() const { return {certificate_, outs_[22], outs_[23], outs_[24]}; }

 private:
  std::string check_endorsement() const;
  std::string check_proof() const;
  Digest challenge(const Big& t, const Big& e1) const;

  const Issuer& issuer_;
  RsaPublic ek_;
  uint32_t count_;
  Bytes nonce_, encrypted_nonce_;
  Big w_;
  std::array<Bytes, kStages> outs_;
  Issuer::Certificate certificate_;
};

// ---- Sign ----

struct Signature {
  Big w, a, e;  // base, randomised certificate, pseudonym
  Digest nt{}, c{};
  Big s_e, s0, s1, s_v;
};
class Sign {
 public:
  Sign(const Issuer& issuer, const Joined& joined, Bytes message, bool identity);
  static constexpr uint8_t kStages = 16;
  Bytes in0(uint8_t stage);
  Bytes in1(uint8_t stage);
  std::string take(uint8_t stage, const Bytes& out);
  uint32_t handle = 0;
  Signature signature() const;

 private:
  Digest host_challenge() const;

  const Issuer& issuer_;
  Joined joined_;
  Bytes message_;
  bool identity_;
  Big w_, blind_, a_, r_e_, r_v_;
  std::array<Bytes, kStages> outs_;
};
// Whether somebody whom the issuer certified signed these bytes: a digest (selector 1), or a modulus (selector 0).
bool verify(const PublicKey& issuer, const Signature& signature, uint8_t selector, const Bytes& message);

}  // namespace client::daa
