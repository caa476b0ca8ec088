// SPDX-License-Identifier: MIT
#include "tests/engine/transport_client.h"

#include <openssl/evp.h>

namespace client {

namespace {

constexpr uint32_t kEstablish = 0xe6, kExecute = 0xe7;

Bytes mgf1(const Bytes& seed, size_t n) {
  Bytes pad;
  for (uint32_t i = 0; pad.size() < n; i++) {
    Digest block = sha1(Out().raw(seed).u32(i));
    pad.insert(pad.end(), block.begin(), block.end());
  }
  pad.resize(n);
  return pad;
}

// Encrypts and decrypts.
Bytes crypt(const TransportSession& t, const Digest& even, const Digest& odd, const char* direction, Bytes data) {
  Out seed;
  seed.raw(even).raw(odd).raw(bytes_of(direction));
  if (t.algorithm == kAlgMgf1) {
    Bytes pad = mgf1(seed.raw(t.auth), data.size());
    for (size_t i = 0; i < data.size(); i++) data[i] = static_cast<uint8_t>(data[i] ^ pad[i]);
    return data;
  }
  Bytes iv = mgf1(seed, 16);
  EVP_CIPHER_CTX* ctx = EVP_CIPHER_CTX_new();
  int n = 0;
  EVP_EncryptInit_ex(ctx, t.scheme == kEsCtr ? EVP_aes_128_ctr() : EVP_aes_128_ofb(), nullptr, t.auth.data(),
                     iv.data());
  EVP_EncryptUpdate(ctx, data.data(), &n, data.data(), static_cast<int>(data.size()));
  EVP_CIPHER_CTX_free(ctx);
  return data;
}

Bytes part(const Bytes& bytes, size_t from, size_t to) {
  return {bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.begin() + static_cast<std::ptrdiff_t>(to)};
}

void extend(TransportSession& t, const Bytes& entry) { t.log = sha1(Out().raw(t.log).raw(entry)); }
Bytes log_in(const Digest& parameters, const Digest& key_hash) {
  return Out().u16(0x0010).raw(parameters).raw(key_hash);
}
Bytes log_out(const Bytes& ticks, const Digest& parameters, uint32_t locality) {
  return Out().u16(0x0011).raw(ticks).raw(parameters).u32(locality);
}

// The caller only learns the count of a command's ticks; the rest of TPM_CURRENT_TICKS stays as it was.
Bytes ticks_of(uint64_t count, const Digest& nonce) { return Out().u16(0x0014).u64(count).u16(1).raw(nonce); }

}  // namespace

Bytes TransportSession::public_part() const { return Out().u16(0x001e).u32(attributes).u32(algorithm).u16(scheme); }

Digest logged_key(const RsaPublic& key) { return sha1(Out().raw(sha1(Out().sized(key.modulus)))); }

Command establish_transport(const TransportSession& t, uint32_t enc_handle, const RsaPublic& enc_key,
                            const Proof& proof) {
  bool clear = enc_handle == kTransportHandle;
  Bytes secret = clear ? bytes_of(t.auth) : oaep_tcpa(enc_key, Out().u16(0x001d).raw(t.auth));
  Command command{.ordinal = kEstablish,
                  .handles = Out().u32(enc_handle),
                  .params = Out().raw(t.public_part()).sized(secret),
                  .out_handle_bytes = 4};
  if (proof.session != nullptr) command.proofs.push_back(proof);
  return command;
}

void established(TransportSession& t, const Command& command, const Reply& reply) {
  In handles(reply.handles), in(reply.params);
  *t.session = {.kind = SessionKind::Oiap, .handle = handles.u32(), .alive = true};
  t.locality = in.u32();
  Bytes ticks = in.raw(32);
  std::copy_n(ticks.begin() + 12, t.tick_nonce.size(), t.tick_nonce.begin());
  t.session->nonce_even = in.digest();
  if ((t.attributes & kTransportLog) == 0) return;
  extend(t, log_in(sha1(Out().u32(kEstablish).raw(command.params)), Digest{}));
  Bytes seen = Out().u32(0).u32(kEstablish).raw(reply.params);
  extend(t, log_out(ticks, sha1(seen), t.locality));
}

Reply open_transport(Tpm& tpm, TransportSession& t, uint32_t enc_handle, const RsaPublic& enc_key,
                     const Digest& key_auth) {
  Session session;
  bool clear = enc_handle == kTransportHandle;
  if (!clear) session = tpm.oiap().value;
  Command command =
      establish_transport(t, enc_handle, enc_key, {.session = clear ? nullptr : &session, .secret = key_auth});
  Reply reply = tpm.run(command);
  if (reply.ok()) established(t, command, reply);
  return reply;
}

Command execute_transport(const Tpm& tpm, const std::shared_ptr<TransportSession>& session, const Command& inner,
                          const Carried& carried, bool keep) {
  TransportSession& t = *session;
  Prepared prepared = tpm.prepare(inner);
  Bytes frame = prepared.frame;
  size_t from = 10 + carried.clear_in, to = frame.size() - 45 * inner.proofs.size();
  Bytes data = part(frame, from, to);
  Digest h1 = sha1(Out().u32(inner.ordinal).raw(data));
  Digest odd = fresh_nonce(), even = t.session->nonce_even;
  bool encrypts = (t.attributes & kTransportEncrypt) != 0;
  if (encrypts) {
    Bytes hidden = crypt(t, even, odd, "in", data);
    std::copy(hidden.begin(), hidden.end(), frame.begin() + static_cast<std::ptrdiff_t>(from));
  }
  auto answer = std::make_shared<Bytes>();
  size_t n_proofs = inner.proofs.size(), clear_out = carried.clear_out;
  uint8_t locality = tpm.locality;
  Digest key_hash = carried.key_hash;
  auto digested_out = [=](const Bytes& params, const Digest& new_even) -> Bytes {
    TransportSession& mine = *session;
    In in(params);
    uint64_t count = in.u64();
    uint32_t seen_locality = in.u32();
    *answer = in.sized();
    In head(*answer);
    head.u16();
    head.u32();
    uint32_t code = head.u32();
    size_t at = 10 + clear_out, end = answer->size() - 41 * n_proofs;
    Bytes plain;
    if (code == 0 && at <= end) {
      plain = part(*answer, at, end);
      if (encrypts) plain = crypt(mine, new_even, odd, "out", plain);
      std::copy(plain.begin(), plain.end(), answer->begin() + static_cast<std::ptrdiff_t>(at));
    }
    Digest h2 = sha1(Out().u32(code).u32(inner.ordinal).raw(plain));
    extend(mine, log_in(h1, key_hash));
    extend(mine, log_out(ticks_of(count, mine.tick_nonce), h2, locality));
    return Out().u64(count).u32(seen_locality).u32(static_cast<uint32_t>(answer->size())).raw(h2);
  };
  return {.ordinal = kExecute,
          .params = Out().sized(frame),
          .proofs = {{.session = t.session, .secret = t.auth, .keep = keep, .nonce_odd = odd}},
          .digested = Out().u32(static_cast<uint32_t>(frame.size())).raw(h1),
          .digested_out = digested_out,
          .carried = [=, &tpm](const Reply&) { return tpm.finish(prepared, *answer); }};
}

}  // namespace client
