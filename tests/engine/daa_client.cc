// SPDX-License-Identifier: MIT
#include "tests/engine/daa_client.h"

#include <cstdlib>

namespace client::daa {

namespace {

constexpr size_t kModulusBytes = 256;
constexpr int kPower0 = 104, kPower1 = 1024;

void must(bool it_works) {
  if (!it_works) abort();
}
BN_CTX* context() {
  static std::unique_ptr<BN_CTX, decltype(&BN_CTX_free)> ctx(BN_CTX_new(), BN_CTX_free);
  return ctx.get();
}
std::shared_ptr<BIGNUM> fresh() { return {BN_new(), BN_free}; }

Big at(const std::array<Bytes, Join::kStages>& outs, size_t stage) { return Big(outs[stage]); }

}  // namespace

// ---- Numbers ----

Big::Big(const Bytes& bytes) : value_(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr), BN_free) {}
Big Big::word(unsigned long value) {
  Big out;
  must(BN_set_word(out.value_.get(), value) == 1);
  return out;
}
Big Big::power_of_two(int bits) {
  Big out;
  must(BN_set_bit(out.value_.get(), bits) == 1);
  return out;
}
Big Big::random(int bits) {
  Big out;
  must(BN_rand(out.value_.get(), bits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1);
  return out;
}
Big Big::prime(int bits, const Big* factor) {
  Big out;
  BIGNUM* add = nullptr;
  Big twice;
  if (factor != nullptr) {
    twice = *factor * word(2);
    add = twice.value_.get();
  }
  must(BN_generate_prime_ex(out.value_.get(), bits, 0, add, nullptr, nullptr) == 1);
  return out;
}
Bytes Big::bytes() const { return bytes(static_cast<size_t>(BN_num_bytes(value_.get()))); }
Bytes Big::bytes(size_t width) const {
  Bytes out(width);
  must(BN_bn2binpad(value_.get(), out.data(), static_cast<int>(width)) >= 0);
  return out;
}
Big Big::operator+(const Big& o) const {
  Big out;
  out.value_ = fresh();
  must(BN_add(out.value_.get(), value_.get(), o.value_.get()) == 1);
  return out;
}
Big Big::operator-(const Big& o) const {
  Big out;
  out.value_ = fresh();
  must(BN_sub(out.value_.get(), value_.get(), o.value_.get()) == 1);
  return out;
}
Big Big::operator*(const Big& o) const {
  Big out;
  out.value_ = fresh();
  must(BN_mul(out.value_.get(), value_.get(), o.value_.get(), context()) == 1);
  return out;
}
Big Big::operator/(const Big& o) const {
  Big out;
  out.value_ = fresh();
  must(BN_div(out.value_.get(), nullptr, value_.get(), o.value_.get(), context()) == 1);
  return out;
}
Big Big::mod(const Big& m) const {
  Big out;
  out.value_ = fresh();
  must(BN_nnmod(out.value_.get(), value_.get(), m.value_.get(), context()) == 1);
  return out;
}
Big Big::inverse(const Big& m) const {
  Big out;
  out.value_ = fresh();
  must(BN_mod_inverse(out.value_.get(), value_.get(), m.value_.get(), context()) != nullptr);
  return out;
}
Big Big::pow(const Big& exponent, const Big& m) const {
  if (BN_is_negative(exponent.value_.get())) return inverse(m).pow(Big() - exponent, m);
  Big out;
  out.value_ = fresh();
  must(BN_mod_exp(out.value_.get(), value_.get(), exponent.value_.get(), m.value_.get(), context()) == 1);
  return out;
}
bool Big::operator==(const Big& o) const { return BN_cmp(value_.get(), o.value_.get()) == 0; }

// ---- Issuer ----

Bytes PublicKey::encode() const {
  Out out;
  for (const Big* number : {&n, &r0, &r1, &s0, &s1, &z, &gamma}) out.raw(number->bytes(kModulusBytes));
  return out.raw(q.bytes(26));
}

Bytes PublicKey::settings() const {
  Out out;
  out.u16(0x2f);
  for (const Big* number : {&r0, &r1, &s0, &s1, &n, &gamma}) out.raw(sha1(number->bytes(kModulusBytes)));
  return out.raw(q.bytes(26));
}

Issuer::Issuer() {
  RsaPair rsa = make_rsa(2048);
  pub_.n = Big(rsa.pub.modulus);
  Big p(rsa.prime), one = Big::word(1);
  phi_ = (p - one) * (pub_.n / p - one);
  Big two = Big::word(2);
  pub_.s0 = Big::random(2040).pow(two, pub_.n);
  pub_.s1 = pub_.s0.pow(Big::power_of_two(kPower1), pub_.n);
  pub_.r0 = pub_.s0.pow(Big::random(2040), pub_.n);
  pub_.r1 = pub_.s0.pow(Big::random(2040), pub_.n);
  pub_.z = pub_.s0.pow(Big::random(2040), pub_.n);
  pub_.q = Big::prime(208);
  pub_.gamma = Big::prime(2048, &pub_.q);
  for (int i = 0; i < 3; i++) chain_.push_back(make_rsa(2048));
}

Bytes Issuer::link(size_t i) const { return sign_sha1(chain_[i - 1], sha1(chain_[i].pub.modulus)); }

Bytes Issuer::signature_on_settings() const {
  return sign_sha1(chain_.back(), sha1(Out().raw(digest_n0()).raw(pub_.settings())));
}

Big Issuer::base() const { return Big::random(2000).pow((pub_.gamma - Big::word(1)) / pub_.q, pub_.gamma); }

Issuer::Certificate Issuer::certify(const Big& u) const {
  Certificate made{.e = Big::prime(368), .v = Big::random(kPower1 + 1500)};
  Big hidden = (u * pub_.s0.pow(made.v, pub_.n)).mod(pub_.n);
  made.a = (pub_.z * hidden.inverse(pub_.n)).mod(pub_.n).pow(made.e.inverse(phi_), pub_.n);
  return made;
}

// ---- Commands ----

Answer<Bytes> stage(Tpm& tpm, uint32_t ordinal, const Digest& owner, uint32_t handle, uint8_t number, const Bytes& in0,
                    const Bytes& in1) {
  Reply reply = tpm.run_oiap(
      {.ordinal = ordinal, .handles = Out().u32(handle), .params = Out().u8(number).sized(in0).sized(in1)}, owner);
  if (!reply.ok()) return {reply, {}};
  In in(reply.params);
  Bytes out = in.sized();
  if (!in.done()) reply.defect = "DAA's answer has a wrong length";
  return {reply, out};
}

// ---- Join ----

Join::Join(const Issuer& issuer, const RsaPublic& ek, uint32_t count)
    : issuer_(issuer), ek_(ek), count_(count), nonce_(bytes_of(fresh_nonce())), w_(issuer.base()) {
  encrypted_nonce_ = oaep_tcpa(ek_, nonce_);
}

Bytes Join::in0(uint8_t stage, size_t call) {
  const PublicKey& pub = issuer_.pub();
  switch (stage) {
    case 0:
      return Out().u32(static_cast<uint32_t>(issuer_.chain().size()));
    case 1:
      return issuer_.chain()[call].pub.modulus;
    case 2:
      return pub.settings();
    case 3:
      return Out().u32(count_);
    case 4:
    case 9:
      return pub.r0.bytes(kModulusBytes);
    case 5:
    case 10:
      return pub.r1.bytes(kModulusBytes);
    case 6:
    case 11:
      return pub.s0.bytes(kModulusBytes);
    case 7:
    case 12:
      return pub.s1.bytes(kModulusBytes);
    case 8:
      return encrypted_nonce_;
    case 13:
    case 14:
    case 15:
      return pub.gamma.bytes(kModulusBytes);
    case 16:
      return bytes_of(challenge(at(outs_, 12), at(outs_, 15)));
    case 22:
      return certificate_.v.mod(Big::power_of_two(kPower1)).bytes(128);
    case 23:
      return (certificate_.v / Big::power_of_two(kPower1)).bytes(192);
    default:
      return {};
  }
}

Bytes Join::in1(uint8_t stage, size_t call) {
  if (stage == 1 && call > 0) return issuer_.link(call);
  if (stage == 2) return issuer_.signature_on_settings();
  if ((stage >= 4 && stage <= 7) || (stage >= 9 && stage <= 12)) return issuer_.pub().n.bytes(kModulusBytes);
  if (stage == 13) return w_.bytes(kModulusBytes);
  return {};
}

std::string Join::take(uint8_t stage, const Bytes& out) {
  outs_[stage] = out;
  if (stage == 0) handle = In(out).u32();
  if (stage == 8) return check_endorsement();
  if (stage == 21) {
    certificate_ = issuer_.certify(at(outs_, 7));
    return check_proof();
  }
  bool answers = stage == 0 || stage == 7 || stage == 12 || (stage >= 14 && stage <= 20) || stage >= 22;
  return answers == out.empty() ? "an output that should not be, or none where one should be" : "";
}

std::string Join::check_endorsement() const {
  Digest hidden = sha1(Out().raw(outs_[7]).u32(count_).raw(issuer_.digest_n0()));
  return outs_[8] == bytes_of(sha1(Out().raw(hidden).raw(nonce_))) ? "" : "not the endorsement key's holder";
}

Digest Join::challenge(const Big& t, const Big& e1) const {
  Out out;
  out.raw(issuer_.pub().encode()).raw(outs_[7]).raw(t.bytes(kModulusBytes)).raw(w_.bytes(kModulusBytes));
  return sha1(out.raw(at(outs_, 14).bytes(kModulusBytes)).raw(e1.bytes(kModulusBytes)));
}

// That what is hidden in U is known, and is what the pseudonym is made of.
std::string Join::check_proof() const {
  const PublicKey& pub = issuer_.pub();
  Big u = at(outs_, 7), c = at(outs_, 20), s0 = at(outs_, 17), s1 = at(outs_, 18), s2 = at(outs_, 19),
      s3 = at(outs_, 21);
  Big t = (u.pow(Big() - c, pub.n) * pub.r0.pow(s0, pub.n) * pub.r1.pow(s1, pub.n) * pub.s0.pow(s2, pub.n) *
           pub.s1.pow(s3, pub.n))
              .mod(pub.n);
  Big e1 = (at(outs_, 14).pow(Big() - c, pub.gamma) * w_.pow(s0 + Big::power_of_two(kPower0) * s1, pub.gamma))
               .mod(pub.gamma);
  Digest expected = sha1(Out().raw(challenge(t, e1)).raw(outs_[16]));
  return outs_[20] == bytes_of(expected) ? "" : "the proof of Join does not verify";
}

// ---- Sign ----

Sign::Sign(const Issuer& issuer, const Joined& joined, Bytes message, bool identity)
    : issuer_(issuer),
      joined_(joined),
      message_(std::move(message)),
      identity_(identity),
      w_(issuer.base()),
      blind_(Big::random(1900)),
      r_e_(Big::random(700)),
      r_v_(Big::random(2700)) {
  const Big& n = issuer.pub().n;
  a_ = (joined_.certificate.a * issuer.pub().s0.pow(blind_, n)).mod(n);
}

Bytes Sign::in0(uint8_t stage) {
  const PublicKey& pub = issuer_.pub();
  switch (stage) {
    case 0:
      return pub.settings();
    case 1:
      return joined_.specific;
    case 2:
      return pub.r0.bytes(kModulusBytes);
    case 3:
      return pub.r1.bytes(kModulusBytes);
    case 4:
      return pub.s0.bytes(kModulusBytes);
    case 5:
      return pub.s1.bytes(kModulusBytes);
    case 6:
    case 7:
    case 8:
      return pub.gamma.bytes(kModulusBytes);
    case 9:
      return bytes_of(host_challenge());
    case 10:
      return {static_cast<uint8_t>(identity_ ? 0 : 1)};
    case 13:
    case 14:
      return joined_.v0;
    case 15:
      return joined_.v1;
    default:
      return {};
  }
}

Bytes Sign::in1(uint8_t stage) {
  if (stage >= 2 && stage <= 5) return issuer_.pub().n.bytes(kModulusBytes);
  if (stage == 6) return w_.bytes(kModulusBytes);
  if (stage == 10) return message_;
  return {};
}

std::string Sign::take(uint8_t stage, const Bytes& out) {
  outs_[stage] = out;
  if (stage == 0) handle = In(out).u32();
  bool answers = stage == 0 || stage == 5 || (stage >= 7 && stage <= 13) || stage == 15;
  return answers == out.empty() ? "an output that should not be, or none where one should be" : "";
}

namespace {

Digest signed_challenge(const PublicKey& pub, const Big& w, const Big& a, const Big& e, const Big& t, const Big& e1) {
  Out out;
  out.raw(pub.encode());
  for (const Big* number : {&w, &a, &e, &t, &e1}) out.raw(number->bytes(kModulusBytes));
  return sha1(out);
}

}  // namespace

Digest Sign::host_challenge() const {
  const PublicKey& pub = issuer_.pub();
  Big t = (Big(outs_[5]) * a_.pow(r_e_, pub.n) * pub.s0.pow(r_v_, pub.n)).mod(pub.n);
  return signed_challenge(pub, w_, a_, Big(outs_[7]), t, Big(outs_[8]));
}

Signature Sign::signature() const {
  Signature made{.w = w_, .a = a_, .e = Big(outs_[7])};
  made.nt = In(outs_[9]).digest();
  made.c = In(outs_[10]).digest();
  Big c(bytes_of(made.c));
  made.s_e = r_e_ + c * joined_.certificate.e;
  made.s0 = Big(outs_[11]);
  made.s1 = Big(outs_[12]);
  made.s_v = Big(outs_[13]) + Big::power_of_two(kPower1) * Big(outs_[15]) + r_v_ - c * joined_.certificate.e * blind_;
  return made;
}

bool verify(const PublicKey& pub, const Signature& s, uint8_t selector, const Bytes& message) {
  Big c(bytes_of(s.c)), minus_c = Big() - c;
  Big t = (pub.z.pow(minus_c, pub.n) * s.a.pow(s.s_e, pub.n) * pub.r0.pow(s.s0, pub.n) * pub.r1.pow(s.s1, pub.n) *
           pub.s0.pow(s.s_v, pub.n))
              .mod(pub.n);
  Big e1 = (s.e.pow(minus_c, pub.gamma) * s.w.pow(s.s0 + Big::power_of_two(kPower0) * s.s1, pub.gamma)).mod(pub.gamma);
  Digest by_tpm = sha1(Out().raw(signed_challenge(pub, s.w, s.a, s.e, t, e1)).raw(s.nt));
  return s.c == sha1(Out().raw(by_tpm).u8(selector).raw(message));
}

}  // namespace client::daa
