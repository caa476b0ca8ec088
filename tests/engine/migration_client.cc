// SPDX-License-Identifier: MIT
#include "tests/engine/migration_client.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <cstdlib>

#include "tests/engine/openssl.h"
#include "tests/engine/parsed.h"

namespace client {

namespace {

void must(bool it_works) {
  if (!it_works) abort();
}

using BnCtx = std::unique_ptr<BN_CTX, Frees<BN_CTX_free>>;

Bn bn(const Bytes& bytes) { return Bn(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr)); }

PKey private_key(const RsaPair& pair) {
  BnCtx ctx(BN_CTX_new());
  Bn n = bn(pair.pub.modulus), p = bn(pair.prime), q(BN_new()), phi(BN_new()), e(BN_new()), d(BN_new());
  must(BN_div(q.get(), nullptr, n.get(), p.get(), ctx.get()) == 1 && BN_set_word(e.get(), pair.pub.exponent) == 1);
  Bn p1(BN_dup(p.get())), q1(BN_dup(q.get()));
  must(BN_sub_word(p1.get(), 1) == 1 && BN_sub_word(q1.get(), 1) == 1 &&
       BN_mul(phi.get(), p1.get(), q1.get(), ctx.get()) == 1 &&
       BN_mod_inverse(d.get(), e.get(), phi.get(), ctx.get()) != nullptr);
  std::unique_ptr<OSSL_PARAM_BLD, Frees<OSSL_PARAM_BLD_free>> build(OSSL_PARAM_BLD_new());
  must(OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
       OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1 &&
       OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_D, d.get()) == 1);
  std::unique_ptr<OSSL_PARAM, Frees<OSSL_PARAM_free>> params(OSSL_PARAM_BLD_to_param(build.get()));
  PKeyCtx from(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* made = nullptr;
  must(EVP_PKEY_fromdata_init(from.get()) == 1 &&
       EVP_PKEY_fromdata(from.get(), &made, EVP_PKEY_KEYPAIR, params.get()) == 1);
  return PKey(made);
}

Bytes mask(const Bytes& seed, size_t n) {
  Bytes out;
  for (uint32_t counter = 0; out.size() < n; counter++) {
    Digest block = sha1(Out().raw(seed).u32(counter));
    out.insert(out.end(), block.begin(), block.end());
  }
  out.resize(n);
  return out;
}

Bytes part(const Bytes& bytes, size_t from, size_t n) {
  auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(from);
  return {begin, begin + static_cast<std::ptrdiff_t>(n)};
}
Bytes part(const Bytes& bytes, size_t from) { return part(bytes, from, bytes.size() - from); }

Digest digest_from(const Bytes& bytes) { return In(bytes).digest(); }

Migrating migrating(In& in) {
  Bytes random = in.sized();
  return {random, in.sized()};
}

}  // namespace

std::optional<Bytes> open_oaep_tcpa(const RsaPair& pair, const Bytes& cipher) {
  PKey key = private_key(pair);
  PKeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  must(EVP_PKEY_decrypt_init(ctx.get()) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx.get(), RSA_PKCS1_OAEP_PADDING) == 1 &&
       EVP_PKEY_CTX_set_rsa_oaep_md(ctx.get(), EVP_sha1()) == 1 &&
       EVP_PKEY_CTX_set0_rsa_oaep_label(ctx.get(), OPENSSL_memdup("TCPA", 4), 4) == 1);
  Bytes out(pair.pub.modulus.size());
  size_t n = out.size();
  if (EVP_PKEY_decrypt(ctx.get(), out.data(), &n, cipher.data(), cipher.size()) != 1) return std::nullopt;
  out.resize(n);
  return out;
}

Bytes sign_sha1(const RsaPair& pair, const Digest& digest) {
  PKey key = private_key(pair);
  PKeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  Bytes out(pair.pub.modulus.size());
  size_t n = out.size();
  must(EVP_PKEY_sign_init(ctx.get()) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx.get(), RSA_PKCS1_PADDING) == 1 &&
       EVP_PKEY_CTX_set_signature_md(ctx.get(), EVP_sha1()) == 1 &&
       EVP_PKEY_sign(ctx.get(), out.data(), &n, digest.data(), digest.size()) == 1);
  return out;
}

Bytes exclusive_or(const Bytes& a, const Bytes& b) {
  Bytes out(a.size());
  std::transform(a.begin(), a.end(), b.begin(), out.begin(),
                 [](uint8_t x, uint8_t y) { return static_cast<uint8_t>(x ^ y); });
  return out;
}

Bytes encode_oaep(const Oaep& parts) {
  Bytes block = Out().raw(parts.label_hash).u8(1).raw(parts.message);
  Bytes hidden = exclusive_or(block, mask(bytes_of(parts.seed), block.size()));
  return Out().raw(exclusive_or(bytes_of(parts.seed), mask(hidden, 20))).raw(hidden);
}

std::optional<Oaep> decode_oaep(const Bytes& encoded) {
  if (encoded.size() < 41) return std::nullopt;
  Bytes hidden = part(encoded, 20);
  Oaep parts;
  Bytes seed = exclusive_or(part(encoded, 0, 20), mask(hidden, 20));
  parts.seed = digest_from(seed);
  Bytes block = exclusive_or(hidden, mask(seed, hidden.size()));
  parts.label_hash = digest_from(part(block, 0, 20));
  if (block[20] != 1) return std::nullopt;
  parts.message = part(block, 21);
  return parts;
}

Bytes PrivateKey::encode() const {
  return Out().u8(payload).raw(usage_auth).raw(migration_auth).raw(pub_digest).sized(prime);
}
PrivateKey PrivateKey::decode(const Bytes& bytes) {
  In in(bytes);
  PrivateKey key;
  key.payload = in.u8();
  key.usage_auth = in.digest();
  key.migration_auth = in.digest();
  key.pub_digest = in.digest();
  key.prime = in.sized();
  must(in.done());
  return key;
}

PubKey public_part(const Key& key) { return {.parms = key.parms, .modulus = key.modulus}; }
Digest digest_of(const PubKey& key) { return sha1(key.encode()); }
PubKey destination(const RsaPair& pair) {
  return {.parms = {.enc_scheme = kEsOaep,
                    .sig_scheme = kSsNone,
                    .bits = static_cast<uint32_t>(pair.pub.modulus.size() * 8)},
          .modulus = pair.pub.modulus};
}
PubKey verification_key(const RsaPair& pair, uint16_t scheme) {
  return {.parms = {.enc_scheme = kEsNone,
                    .sig_scheme = scheme,
                    .bits = static_cast<uint32_t>(pair.pub.modulus.size() * 8)},
          .modulus = pair.pub.modulus};
}

Bytes msa_composite(const std::vector<Digest>& authorities) {
  Out out;
  out.u32(static_cast<uint32_t>(authorities.size()));
  for (const Digest& authority : authorities) out.raw(authority);
  return out;
}
Bytes cmk_auth(const Digest& authority, const Digest& destination, const Digest& source) {
  return Out().raw(authority).raw(destination).raw(source);
}

// ---- Commands ----

Answer<Bytes> authorize_migration_key(Tpm& tpm, const Digest& owner, uint16_t scheme, const PubKey& key) {
  Reply reply = tpm.run_oiap({.ordinal = 0x2b, .params = Out().u16(scheme).raw(key.encode())}, owner);
  return {reply, reply.params};
}

Answer<Migrating> create_migration_blob(Tpm& tpm, uint32_t parent, const Digest& parent_auth, uint16_t type,
                                        const Bytes& key_auth, const Bytes& encrypted, const Digest& migration_auth) {
  Answer<Session> first = tpm.oiap(), second = tpm.oiap();
  if (!second.ok()) return {second.reply, {}};
  Reply reply = tpm.run({.ordinal = 0x28,
                         .handles = Out().u32(parent),
                         .params = Out().u16(type).raw(key_auth).sized(encrypted),
                         .proofs = {{.session = &first.value, .secret = parent_auth},
                                    {.session = &second.value, .secret = migration_auth}}});
  return parsed<Migrating>(reply, migrating);
}

Answer<Bytes> convert_migration_blob(Tpm& tpm, uint32_t parent, const Digest& parent_auth, const Migrating& from) {
  return parsed<Bytes>(
      tpm.run_oiap({.ordinal = 0x2a, .handles = Out().u32(parent), .params = Out().sized(from.blob).sized(from.random)},
                   parent_auth),
      sized);
}

Answer<Bytes> migrate_key(Tpm& tpm, uint32_t authority, const Digest& auth, const PubKey& to, const Bytes& blob) {
  return parsed<Bytes>(
      tpm.run_oiap({.ordinal = 0x25, .handles = Out().u32(authority), .params = Out().raw(to.encode()).sized(blob)},
                   auth),
      sized);
}

Reply cmk_set_restrictions(Tpm& tpm, const Digest& owner, uint32_t restriction) {
  return tpm.run_oiap({.ordinal = 0x1c, .params = Out().u32(restriction)}, owner);
}

Answer<Digest> cmk_approve_ma(Tpm& tpm, const Digest& owner, const Digest& msa_digest) {
  return parsed<Digest>(tpm.run_oiap({.ordinal = 0x1d, .params = Out().raw(msa_digest)}, owner),
                        [](In& in) { return in.digest(); });
}

Answer<Key> cmk_create_key(Tpm& tpm, uint32_t parent, const Digest& parent_auth, const Key& key, const Digest& auth,
                           const Digest& approval, const Digest& msa_digest) {
  Answer<Session> session = tpm.osap(parent == kSrk ? kEtSrk : kEtKeyHandle, parent, parent_auth);
  if (!session.ok()) return {session.reply, {}};
  Out params;
  params.raw(hide_even(session.value, auth)).raw(key.encode()).raw(approval).raw(msa_digest);
  Reply reply = tpm.run(
      {.ordinal = 0x13, .handles = Out().u32(parent), .params = params, .proofs = {{.session = &session.value}}});
  return parsed<Key>(reply, [](In& in) { return Key::decode(in); });
}

Answer<Digest> cmk_create_ticket(Tpm& tpm, const Digest& owner, const PubKey& key, const Digest& signed_data,
                                 const Bytes& signature) {
  Out params;
  params.raw(key.encode()).raw(signed_data).sized(signature);
  return parsed<Digest>(tpm.run_oiap({.ordinal = 0x12, .params = params}, owner), [](In& in) { return in.digest(); });
}

Answer<Migrating> cmk_create_blob(Tpm& tpm, uint32_t parent, const Digest& parent_auth, const CmkBlobRequest& r) {
  Out params;
  params.u16(kMsRestrictApprove).raw(r.key_auth).raw(r.source).sized(r.msa_list).sized(r.restrict_ticket);
  params.sized(r.sig_ticket).sized(r.encrypted);
  return parsed<Migrating>(tpm.run_oiap({.ordinal = 0x1b, .handles = Out().u32(parent), .params = params}, parent_auth),
                           migrating);
}

Answer<Bytes> cmk_convert_migration(Tpm& tpm, uint32_t parent, const Digest& parent_auth, const CmkArrival& a) {
  Out params;
  params.raw(a.restrict_ticket).raw(a.sig_ticket).raw(a.key.encode()).sized(a.msa_list).sized(a.random);
  return parsed<Bytes>(tpm.run_oiap({.ordinal = 0x24, .handles = Out().u32(parent), .params = params}, parent_auth),
                       sized);
}

}  // namespace client
