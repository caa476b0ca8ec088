// SPDX-License-Identifier: MIT
#include "tests/engine/tpm_client.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/engine/openssl.h"
#include "tests/engine/parsed.h"

namespace client {

namespace {

constexpr uint16_t kRequestTag = 0xc1;
constexpr uint16_t kResponseTag = 0xc4;

using ParamBld = std::unique_ptr<OSSL_PARAM_BLD, Frees<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Frees<OSSL_PARAM_free>>;

// A test program whose OpenSSL does not work has nothing to report.
void must(bool it_works) {
  if (!it_works) {
    fputs("tpm_client: OpenSSL failed\n", stderr);
    abort();
  }
}

Bn bn(const Bytes& bytes) { return Bn(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr)); }
Bytes bytes_of_bn(const BIGNUM* number) {
  Bytes bytes(static_cast<size_t>(BN_num_bytes(number)));
  BN_bn2bin(number, bytes.data());
  return bytes;
}

PKey public_key(const RsaPublic& key) {
  Bn n = bn(key.modulus);
  Bn e(BN_new());
  must(BN_set_word(e.get(), key.exponent) == 1);
  ParamBld bld(OSSL_PARAM_BLD_new());
  must(OSSL_PARAM_BLD_push_BN(bld.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1);
  must(OSSL_PARAM_BLD_push_BN(bld.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1);
  Params params(OSSL_PARAM_BLD_to_param(bld.get()));
  PKeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* made = nullptr;
  must(EVP_PKEY_fromdata_init(ctx.get()) == 1);
  must(EVP_PKEY_fromdata(ctx.get(), &made, EVP_PKEY_PUBLIC_KEY, params.get()) == 1);
  return PKey(made);
}

Bytes encrypt(const RsaPublic& key, const Bytes& plain, int padding) {
  PKey pkey = public_key(key);
  PKeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, pkey.get(), nullptr));
  must(EVP_PKEY_encrypt_init(ctx.get()) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx.get(), padding) == 1);
  if (padding == RSA_PKCS1_OAEP_PADDING) {
    void* label = OPENSSL_memdup("TCPA", 4);
    must(EVP_PKEY_CTX_set_rsa_oaep_md(ctx.get(), EVP_sha1()) == 1);
    must(EVP_PKEY_CTX_set0_rsa_oaep_label(ctx.get(), label, 4) == 1);
  }
  size_t length = 0;
  must(EVP_PKEY_encrypt(ctx.get(), nullptr, &length, plain.data(), plain.size()) == 1);
  Bytes out(length);
  must(EVP_PKEY_encrypt(ctx.get(), out.data(), &length, plain.data(), plain.size()) == 1);
  out.resize(length);
  return out;
}

bool verify(const RsaPublic& key, const Bytes& what, const Bytes& signature, const EVP_MD* md) {
  PKey pkey = public_key(key);
  PKeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, pkey.get(), nullptr));
  must(EVP_PKEY_verify_init(ctx.get()) == 1);
  must(EVP_PKEY_CTX_set_rsa_padding(ctx.get(), RSA_PKCS1_PADDING) == 1);
  must(md == nullptr || EVP_PKEY_CTX_set_signature_md(ctx.get(), md) == 1);
  return EVP_PKEY_verify(ctx.get(), signature.data(), signature.size(), what.data(), what.size()) == 1;
}

Digest exclusive_or(const Digest& a, const Digest& b) {
  Digest out;
  std::transform(a.begin(), a.end(), b.begin(), out.begin(),
                 [](uint8_t x, uint8_t y) { return static_cast<uint8_t>(x ^ y); });
  return out;
}

Digest mask(const Digest& shared, const Digest& nonce) { return sha1(Out().raw(shared).raw(nonce)); }

Digest hmac_key(const Proof& proof) {
  return proof.session->kind == SessionKind::Osap ? proof.session->shared : proof.secret;
}

}  // namespace

// ---- Bytes ----

Out& Out::u8(uint32_t value) {
  bytes_.push_back(static_cast<uint8_t>(value));
  return *this;
}
Out& Out::u16(uint32_t value) { return u8(value >> 8).u8(value); }
Out& Out::u32(uint32_t value) { return u16(value >> 16).u16(value); }
Out& Out::u64(uint64_t value) { return u32(static_cast<uint32_t>(value >> 32)).u32(static_cast<uint32_t>(value)); }
Out& Out::raw(const Bytes& bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  return *this;
}
Out& Out::raw(const Digest& digest) {
  bytes_.insert(bytes_.end(), digest.begin(), digest.end());
  return *this;
}
Out& Out::sized(const Bytes& bytes) { return u32(static_cast<uint32_t>(bytes.size())).raw(bytes); }

uint64_t In::number(size_t n) {
  uint64_t value = 0;
  for (uint8_t byte : raw(n)) value = value << 8 | byte;
  return value;
}
uint8_t In::u8() { return static_cast<uint8_t>(number(1)); }
uint16_t In::u16() { return static_cast<uint16_t>(number(2)); }
uint32_t In::u32() { return static_cast<uint32_t>(number(4)); }
uint64_t In::u64() { return number(8); }
Bytes In::raw(size_t n) {
  ok_ = ok_ && n <= bytes_.size() - at_;
  if (!ok_) return {};
  auto from = bytes_.begin() + static_cast<std::ptrdiff_t>(at_);
  at_ += n;
  return {from, from + static_cast<std::ptrdiff_t>(n)};
}
Digest In::digest() {
  Digest digest{};
  Bytes bytes = raw(digest.size());
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}
Bytes In::sized() {
  size_t n = u32();
  return raw(n);
}

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }
Bytes bytes_of(const Digest& digest) { return {digest.begin(), digest.end()}; }

std::string hex(const Bytes& bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

Digest sha1(const Bytes& bytes) {
  Digest digest;
  SHA1(bytes.data(), bytes.size(), digest.data());
  return digest;
}

Digest hmac_sha1(const Digest& key, const Bytes& bytes) {
  Digest digest;
  unsigned length = 0;
  must(HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()), bytes.data(), bytes.size(), digest.data(), &length) !=
       nullptr);
  return digest;
}

Digest fresh_nonce() {
  static uint64_t counter = 0;
  return sha1(Out().raw(bytes_of("nonce")).u64(++counter));
}

Digest secret(std::string_view name) { return sha1(bytes_of(name)); }

// ---- RSA ----

RsaPair make_rsa(int bits) {
  PKey pkey(EVP_RSA_gen(static_cast<unsigned>(bits)));
  BIGNUM* n = nullptr;
  BIGNUM* p = nullptr;
  must(EVP_PKEY_get_bn_param(pkey.get(), OSSL_PKEY_PARAM_RSA_N, &n) == 1);
  must(EVP_PKEY_get_bn_param(pkey.get(), OSSL_PKEY_PARAM_RSA_FACTOR1, &p) == 1);
  Bn own_n(n);
  Bn own_p(p);
  return {.pub = {.modulus = bytes_of_bn(n)}, .prime = bytes_of_bn(p)};
}

Bytes oaep_tcpa(const RsaPublic& key, const Bytes& plain) { return encrypt(key, plain, RSA_PKCS1_OAEP_PADDING); }
Bytes pkcs1_v15(const RsaPublic& key, const Bytes& plain) { return encrypt(key, plain, RSA_PKCS1_PADDING); }
bool verify_sha1(const RsaPublic& key, const Digest& digest, const Bytes& signature) {
  return verify(key, bytes_of(digest), signature, EVP_sha1());
}
bool verify_der(const RsaPublic& key, const Bytes& der, const Bytes& signature) {
  return verify(key, der, signature, nullptr);
}

// ---- Structures ----

Bytes KeyParms::encode() const {
  Out rsa;
  rsa.u32(bits).u32(primes).sized(exponent);
  return Out().u32(algorithm).u16(enc_scheme).u16(sig_scheme).sized(rsa);
}

KeyParms KeyParms::decode(In& in) {
  KeyParms parms;
  parms.algorithm = in.u32();
  parms.enc_scheme = in.u16();
  parms.sig_scheme = in.u16();
  In rsa(in.sized());
  parms.bits = rsa.u32();
  parms.primes = rsa.u32();
  parms.exponent = rsa.sized();
  return parms;
}

Bytes Key::encode_public_part() const {
  Out out;
  key12 ? out.u16(0x28).u16(0) : out.u32(0x01010000);
  return out.u16(usage).u32(flags).u8(auth_usage).raw(parms.encode()).sized(pcr_info).sized(modulus);
}
Bytes Key::encode() const { return Out().raw(encode_public_part()).sized(encrypted); }

Key Key::decode(In& in) {
  Key key;
  key.key12 = in.u32() == 0x00280000;
  key.usage = in.u16();
  key.flags = in.u32();
  key.auth_usage = in.u8();
  key.parms = KeyParms::decode(in);
  key.pcr_info = in.sized();
  key.modulus = in.sized();
  key.encrypted = in.sized();
  return key;
}
Key Key::decode(const Bytes& bytes) {
  In in(bytes);
  return decode(in);
}

Key storage_key(uint32_t bits) {
  return {.usage = kStorage, .parms = {.enc_scheme = kEsOaep, .sig_scheme = kSsNone, .bits = bits}};
}
Key signing_key(uint32_t bits, uint16_t scheme) {
  return {.usage = kSigning, .parms = {.enc_scheme = kEsNone, .sig_scheme = scheme, .bits = bits}};
}
Key bind_key(uint32_t bits, uint16_t scheme) {
  return {.usage = kBind, .parms = {.enc_scheme = scheme, .sig_scheme = kSsNone, .bits = bits}};
}
Key legacy_key(uint32_t bits) {
  return {.usage = kLegacy, .parms = {.enc_scheme = kEsOaep, .sig_scheme = kSsSha1, .bits = bits}};
}
Key identity_key() { return {.usage = kIdentity, .parms = {.enc_scheme = kEsNone, .sig_scheme = kSsSha1}}; }
Key srk_template() { return storage_key(); }

Bytes PubKey::encode() const { return Out().raw(parms.encode()).sized(modulus); }
PubKey PubKey::decode(In& in) {
  PubKey key;
  key.parms = KeyParms::decode(in);
  key.modulus = in.sized();
  return key;
}

Bytes wrap_outside(Key key, const RsaPair& pair, const RsaPublic& parent, const Digest& usage_auth,
                   const Digest& migration_auth) {
  key.modulus = pair.pub.modulus;
  Out asym;
  asym.u8(1).raw(usage_auth).raw(migration_auth).raw(sha1(key.encode_public_part())).sized(pair.prime);
  key.encrypted = oaep_tcpa(parent, asym);
  return key.encode();
}

Bytes pcr_selection(std::initializer_list<unsigned> pcrs, size_t n_bytes) {
  Bytes bits(n_bytes);
  for (unsigned pcr : pcrs) bits.at(pcr / 8) = static_cast<uint8_t>(bits[pcr / 8] | 1U << (pcr % 8));
  return Out().u16(static_cast<uint32_t>(n_bytes)).raw(bits);
}

Digest composite(const Bytes& selection, const std::vector<Digest>& values) {
  Out list;
  for (const Digest& value : values) list.raw(value);
  return sha1(Out().raw(selection).sized(list));
}

Bytes pcr_info(const Bytes& selection, const Digest& at_release, const Digest& at_creation) {
  return Out().raw(selection).raw(at_release).raw(at_creation);
}

Bytes pcr_info_long(const Bytes& creation, const Bytes& release, const Digest& at_release, uint8_t locality,
                    uint8_t locality_at_creation, const Digest& at_creation) {
  return Out().u16(6).u8(locality_at_creation).u8(locality).raw(creation).raw(release).raw(at_creation).raw(at_release);
}

// ---- Commands and sessions ----

Prepared Tpm::prepare(const Command& command) const {
  Prepared prepared{.command = command};
  Digest digest = sha1(Out().u32(command.ordinal).raw(command.digested.value_or(command.params)));
  Out trailers;
  for (const Proof& proof : command.proofs) {
    Digest odd = proof.nonce_odd.value_or(fresh_nonce());
    Out proven;
    proven.raw(digest).raw(proof.session->nonce_even).raw(odd).u8(proof.keep);
    trailers.u32(proof.session->handle).raw(odd).u8(proof.keep).raw(hmac_sha1(hmac_key(proof), proven));
    prepared.nonces_odd.push_back(odd);
  }
  Bytes body = Out().u32(command.ordinal).raw(command.handles).raw(command.params).raw(trailers.bytes());
  prepared.frame = Out()
                       .u16(kRequestTag + static_cast<uint32_t>(command.proofs.size()))
                       .u32(static_cast<uint32_t>(6 + body.size()))
                       .raw(body);
  return prepared;
}

Reply Tpm::finish(const Prepared& prepared, const Bytes& response) const {
  const Command& command = prepared.command;
  In in(response);
  uint16_t tag = in.u16();
  uint32_t size = in.u32();
  Reply reply{.code = in.u32()};
  if (!in.ok() || size != response.size())
    return {.code = reply.code, .defect = "size field does not fit: " + hex(response)};
  if (reply.code != 0) {
    if (tag != kResponseTag || size != 10) reply.defect = "error with more than a header: " + hex(response);
    return reply;
  }
  size_t n_proofs = command.proofs.size();
  if (tag != kResponseTag + n_proofs) return {.code = 0, .defect = "response tag " + std::to_string(tag)};
  size_t trailer_bytes = 41 * n_proofs;
  if (response.size() < 10 + command.out_handle_bytes + trailer_bytes)
    return {.code = 0, .defect = "too short: " + hex(response)};
  reply.handles = in.raw(command.out_handle_bytes);
  reply.params = in.raw(response.size() - in.at() - trailer_bytes);
  Digest digest = sha1(Out().u32(reply.code).u32(command.ordinal).raw(reply.params));
  for (size_t i = 0; i < n_proofs; i++) {
    const Proof& proof = command.proofs[i];
    Digest even = in.digest();
    uint8_t keeps = in.u8();
    Digest claimed = in.digest();
    if (command.digested_out) {
      digest = sha1(Out().u32(reply.code).u32(command.ordinal).raw(command.digested_out(reply.params, even)));
    }
    Out proven;
    proven.raw(digest).raw(even).raw(prepared.nonces_odd[i]).u8(keeps);
    if (claimed != hmac_sha1(hmac_key(proof), proven)) reply.defect = "response HMAC " + std::to_string(i + 1);
    if (even == proof.session->nonce_even) reply.defect = "nonceEven repeated";
    proof.session->nonce_even = even;
    proof.session->alive = keeps != 0;
  }
  if (!in.done() && reply.defect.empty()) reply.defect = "bytes left over";
  return command.carried && reply.ok() ? command.carried(reply) : reply;
}

Reply Tpm::run(const Command& command) {
  Prepared prepared = prepare(command);
  return finish(prepared, send(prepared.frame));
}

Answer<Session> Tpm::oiap() {
  Reply reply = run(0x0a);
  In in(reply.params);
  Session session{.kind = SessionKind::Oiap, .handle = in.u32(), .nonce_even = in.digest(), .alive = reply.ok()};
  if (reply.ok() && !in.done()) reply.defect = "OIAP's answer has a wrong length";
  return {reply, session};
}

Answer<Session> Tpm::osap(uint16_t type, uint32_t value, const Digest& secret) {
  Digest odd = fresh_nonce();
  Reply reply = run(0x0b, Out().u16(type).u32(value).raw(odd));
  In in(reply.params);
  Session session{.kind = SessionKind::Osap, .handle = in.u32(), .nonce_even = in.digest(), .alive = reply.ok()};
  Digest even = in.digest();
  session.shared = hmac_sha1(secret, Out().raw(even).raw(odd));
  if (reply.ok() && !in.done()) reply.defect = "OSAP's answer has a wrong length";
  return {reply, session};
}

Reply Tpm::run_oiap(Command command, const Digest& secret) {
  Answer<Session> session = oiap();
  if (!session.ok()) return session.reply;
  command.proofs.push_back({.session = &session.value, .secret = secret});
  return run(command);
}

Digest hide_even(const Session& session, const Digest& secret) {
  return exclusive_or(secret, mask(session.shared, session.nonce_even));
}
Digest hide_odd(const Session& session, const Digest& nonce_odd, const Digest& secret) {
  return exclusive_or(secret, mask(session.shared, nonce_odd));
}

// ---- Helpers ----

Reply Tpm::startup(uint16_t type) { return run(0x99, Out().u16(type)); }

Answer<PubKey> Tpm::read_pubek() {
  Digest nonce = fresh_nonce();
  Digest checksum{};
  auto answer = parsed<PubKey>(run(0x7c, Out().raw(nonce)), [&](In& in) {
    PubKey key = PubKey::decode(in);
    checksum = in.digest();
    return key;
  });
  if (answer.ok() && checksum != sha1(Out().raw(answer.value.encode()).raw(nonce)))
    answer.reply.defect = "ReadPubek's checksum";
  return answer;
}

Answer<Key> Tpm::take_ownership(const PubKey& ek, const Digest& owner, const Digest& srk, const Key& srk_key) {
  Out params;
  params.u16(5)
      .sized(oaep_tcpa(ek.pub(), bytes_of(owner)))
      .sized(oaep_tcpa(ek.pub(), bytes_of(srk)))
      .raw(srk_key.encode());
  return parsed<Key>(run_oiap({.ordinal = 0x0d, .params = params}, owner), [](In& in) { return Key::decode(in); });
}

Answer<Key> Tpm::create_wrap_key(uint32_t parent, const Digest& parent_auth, const Key& key, const Digest& usage_auth,
                                 const Digest& migration_auth) {
  Answer<Session> session = osap(parent == kSrk ? kEtSrk : kEtKeyHandle, parent, parent_auth);
  if (!session.ok()) return {session.reply, {}};
  Digest odd = fresh_nonce();
  Out params;
  params.raw(hide_even(session.value, usage_auth)).raw(hide_odd(session.value, odd, migration_auth)).raw(key.encode());
  Reply reply = run({.ordinal = 0x1f,
                     .handles = Out().u32(parent),
                     .params = params,
                     .proofs = {{.session = &session.value, .nonce_odd = odd}}});
  return parsed<Key>(reply, [](In& in) { return Key::decode(in); });
}

Answer<Identity> Tpm::make_identity(const Digest& owner, const Digest& srk_auth, const Digest& identity_auth,
                                    const Digest& label, const Key& key) {
  Answer<Session> by_srk = oiap();
  Answer<Session> by_owner = osap(kEtOwner, kOwner, owner);
  if (!by_srk.ok() || !by_owner.ok()) return {by_srk.ok() ? by_owner.reply : by_srk.reply, {}};
  Out params;
  params.raw(hide_even(by_owner.value, identity_auth)).raw(label).raw(key.encode());
  Reply reply = run({.ordinal = 0x79,
                     .params = params,
                     .proofs = {{.session = &by_srk.value, .secret = srk_auth}, {.session = &by_owner.value}}});
  return parsed<Identity>(reply, [](In& in) {
    Key made = Key::decode(in);
    return Identity{made, in.sized()};
  });
}

Answer<Loaded> Tpm::load_key2(uint32_t parent, const Digest& parent_auth, const Bytes& key) {
  Reply reply =
      run_oiap({.ordinal = 0x41, .handles = Out().u32(parent), .params = key, .out_handle_bytes = 4}, parent_auth);
  if (reply.ok() && !reply.params.empty()) reply.defect = "LoadKey2 answers a handle only";
  return {reply, {.handle = In(reply.handles).u32()}};
}

// TPM_LoadKey's handle is part of the digest, unlike TPM_LoadKey2's.
Answer<Loaded> Tpm::load_key(uint32_t parent, const Digest& parent_auth, const Bytes& key) {
  Reply reply = run_oiap({.ordinal = 0x20, .handles = Out().u32(parent), .params = key}, parent_auth);
  return parsed<Loaded>(reply, [](In& in) { return Loaded{.handle = in.u32()}; });
}

Answer<PubKey> Tpm::get_pubkey(uint32_t key, const Digest& auth) {
  return parsed<PubKey>(run_oiap({.ordinal = 0x21, .handles = Out().u32(key)}, auth),
                        [](In& in) { return PubKey::decode(in); });
}

Answer<Bytes> Tpm::seal(uint32_t key, const Digest& key_auth, const Bytes& data, const Digest& data_auth,
                        const Bytes& pcr_info) {
  Answer<Session> session = osap(key == kSrk ? kEtSrk : kEtKeyHandle, key, key_auth);
  if (!session.ok()) return {session.reply, {}};
  Out params;
  params.raw(hide_even(session.value, data_auth)).sized(pcr_info).sized(data);
  Reply reply =
      run({.ordinal = 0x17, .handles = Out().u32(key), .params = params, .proofs = {{.session = &session.value}}});
  return {reply, reply.params};
}

Answer<Bytes> Tpm::sealx(uint32_t key, const Digest& key_auth, const Bytes& data, const Digest& data_auth,
                         const Bytes& pcr_info) {
  Answer<Session> session = osap(key == kSrk ? kEtSrk : kEtKeyHandle, key, key_auth);
  if (!session.ok()) return {session.reply, {}};
  Digest odd = fresh_nonce();
  // MGF1 over "nonceEven || nonceOdd || XOR || shared secret" hides the data.
  Bytes seed = Out().raw(session.value.nonce_even).raw(odd).raw(bytes_of("XOR")).raw(session.value.shared);
  Bytes hidden;
  for (uint32_t counter = 0; hidden.size() < data.size(); counter++) {
    Digest block = sha1(Out().raw(seed).u32(counter));
    hidden.insert(hidden.end(), block.begin(), block.end());
  }
  hidden.resize(data.size());
  for (size_t i = 0; i < data.size(); i++) hidden[i] = static_cast<uint8_t>(hidden[i] ^ data[i]);
  Out params;
  params.raw(hide_even(session.value, data_auth)).sized(pcr_info).sized(hidden);
  Reply reply = run({.ordinal = 0x3d,
                     .handles = Out().u32(key),
                     .params = params,
                     .proofs = {{.session = &session.value, .nonce_odd = odd}}});
  return {reply, reply.params};
}

Answer<Bytes> Tpm::unseal(uint32_t key, const Digest& key_auth, const Bytes& blob, const Digest& data_auth) {
  Answer<Session> parent = oiap();
  Answer<Session> data = oiap();
  if (!parent.ok() || !data.ok()) return {parent.ok() ? data.reply : parent.reply, {}};
  Reply reply =
      run({.ordinal = 0x18,
           .handles = Out().u32(key),
           .params = blob,
           .proofs = {{.session = &parent.value, .secret = key_auth}, {.session = &data.value, .secret = data_auth}}});
  return parsed<Bytes>(reply, sized);
}

Answer<Bytes> Tpm::unbind(uint32_t key, const Digest& key_auth, const Bytes& encrypted) {
  return parsed<Bytes>(
      run_oiap({.ordinal = 0x1e, .handles = Out().u32(key), .params = Out().sized(encrypted)}, key_auth), sized);
}

Answer<Bytes> Tpm::sign(uint32_t key, const Digest& key_auth, const Bytes& area) {
  return parsed<Bytes>(run_oiap({.ordinal = 0x3c, .handles = Out().u32(key), .params = Out().sized(area)}, key_auth),
                       sized);
}

Answer<Quoted> Tpm::quote(uint32_t key, const Digest& key_auth, const Digest& external, const Bytes& selection) {
  Reply reply =
      run_oiap({.ordinal = 0x16, .handles = Out().u32(key), .params = Out().raw(external).raw(selection)}, key_auth);
  return parsed<Quoted>(reply, [](In& in) {
    Quoted quoted;
    Bytes bits = in.raw(in.u16());
    Bytes values = in.sized();
    quoted.composite = Out().u16(static_cast<uint32_t>(bits.size())).raw(bits).sized(values);
    quoted.signature = in.sized();
    return quoted;
  });
}

Answer<Quoted> Tpm::quote2(uint32_t key, const Digest& key_auth, const Digest& external, const Bytes& selection,
                           bool add_version) {
  Out params;
  params.raw(external).raw(selection).u8(add_version);
  Reply reply = run_oiap({.ordinal = 0x3e, .handles = Out().u32(key), .params = params}, key_auth);
  return parsed<Quoted>(reply, [](In& in) {
    Quoted quoted;
    Bytes bits = in.raw(in.u16());
    uint8_t localities = in.u8();
    Digest digest = in.digest();
    quoted.composite = Out().u16(static_cast<uint32_t>(bits.size())).raw(bits).u8(localities).raw(digest);
    quoted.version = in.sized();
    quoted.signature = in.sized();
    return quoted;
  });
}

Answer<Digest> Tpm::extend(uint32_t pcr, const Digest& event) {
  return parsed<Digest>(run(0x14, Out().u32(pcr).raw(event)), [](In& in) { return in.digest(); });
}
Answer<Digest> Tpm::pcr_read(uint32_t pcr) {
  return parsed<Digest>(run(0x15, Out().u32(pcr)), [](In& in) { return in.digest(); });
}
Answer<Bytes> Tpm::get_capability(uint32_t area, const Bytes& sub) {
  return parsed<Bytes>(run(0x65, Out().u32(area).sized(sub)), sized);
}
Answer<Bytes> Tpm::get_random(uint32_t n) { return parsed<Bytes>(run(0x46, Out().u32(n)), sized); }
Answer<Ticks> Tpm::get_ticks() {
  return parsed<Ticks>(run(0xf1), [](In& in) {
    in.u16();  // tag, checked by the test of the clause
    return Ticks{.count = in.u64(), .rate = in.u16(), .nonce = in.digest()};
  });
}

}  // namespace client
