// SPDX-License-Identifier: MIT
// Part 3, 24: transport sessions.
#include "engine/commands/chapters.h"
#include "engine/commands/signing.h"
#include "engine/dispatch/dispatcher.h"
#include "engine/dispatch/execute.h"
#include "engine/dispatch/transport.h"
#include "engine/spec/ordinals.h"

namespace tpm {

namespace {

// ---- 24.1 TPM_EstablishTransport ----
struct EstablishTransport {
  struct In {
    KeyHandle enc_key;
    TransportPublic pub;
    wire::SizedBytes secret;
  };
  struct Out {
    AnyHandle handle;
    uint32_t locality = 0;
    CurrentTicks ticks;
    Nonce nonce_even{};
  };
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    TRY(require(in.pub.tag == StructureTag::TransportPublic, Rc::InvalidStructure));
    Secret auth = TRY(in.enc_key.key == nullptr ? plain_secret(in) : opened_secret(in));  // 1-2
    if (in.pub.has(kTransportEncrypt)) TRY(check_cipher(in.pub, tpm.flags->fips));        // 3
    TRY(require(tpm.transports->free_slots() > 0, Rc::Resources));                        // 5.a

    Transport& session = *TRY(tpm.transports.edit().open());                                     // 5.b-c
    session.auth = auth;                                                                         // 5.f
    session.pub = in.pub;                                                                        // 5.d
    session.nonce_even = tpm.nonce();                                                            // 4, 5.e
    Out out{{session.handle}, call.locality, tpm.ticks(), session.nonce_even};                   // 6-7, 10
    if (in.pub.has(kTransportLog)) log_opening(session, in, out);                                // 8
    if (in.pub.has(kTransportExclusive)) tpm.stany.edit().transport_exclusive = session.handle;  // 9
    return out;
  }

 private:
  static Result<Secret> plain_secret(const In& in) {
    TRY(require(!in.pub.has(kTransportEncrypt), Rc::BadScheme));  // 1.b (1.a: the session)
    return in.secret.as<Secret>(Rc::BadParamSize);                // 1.c-d
  }

  static Result<Secret> opened_secret(const In& in) {
    KeyUsage usage = in.enc_key->blob.usage;
    TRY(require(usage == KeyUsage::Storage || usage == KeyUsage::Legacy,
                Rc::InvalidKeyUsage));  // 2.a (2.b-c: the session)
    bool oaep = in.enc_key->blob.parms.enc_scheme == EncScheme::RsaesOaepSha1Mgf1;
    auto plain = oaep ? in.enc_key->rsa->decrypt_oaep(in.secret) : in.enc_key->rsa->decrypt_pkcs1(in.secret);  // 2.d
    TRY(require(plain.has_value(), Rc::DecryptError));
    auto sealed = wire::decode<TransportAuth>(plain->reveal());
    TRY(require(sealed.ok() && sealed.value().tag == StructureTag::TransportAuth, Rc::InvalidStructure));  // 2.e
    return sealed.value().auth;                                                                            // 2.f
  }

  static void log_opening(Transport& session, const In& in, const Out& out) {
    log(session, TransportLogIn{.parameters = crypto::sha1_of(ordinal::EstablishTransport, in.pub, in.secret)});  // 8.a
    Digest parameters =
        crypto::sha1_of(Rc::Success, ordinal::EstablishTransport, out.locality, out.ticks, out.nonce_even);
    log(session, TransportLogOut{.ticks = out.ticks, .parameters = parameters, .locality = out.locality});  // 8.b
  }
};

// An answer whose digest is not that of its bytes, which may be encrypted, but of what they say.
struct WrappedAnswer {
  wire::SizedBytes bytes;
  Digest digest{};  // H2

  void write_to(wire::Writer& w) const { w.put(bytes); }
  void digest_into(crypto::Sha1& hash) const {
    hash.put(static_cast<uint32_t>(bytes.size()));
    hash.put(digest);
  }
};

// ---- 24.2 TPM_ExecuteTransport ----
struct ExecuteTransport {
  struct In {
    wire::SizedBytes command;
  };
  struct Out {
    uint64_t ticks = 0;
    uint32_t locality = 0;
    WrappedAnswer answer;
  };
  static Result<Out> run(Call& call, const In& in) {
    Tpm& tpm = call.tpm;
    const Transport* found = tpm.transports->find(call.auth(0).handle());  // 1
    TRY(require(found != nullptr, Rc::InvalidAuthHandle));
    Transport session = *found;  // a copy: what is executed may end it
    bool encrypts = session.pub.has(kTransportEncrypt);
    const Nonce& odd = call.auth(0).nonce_odd();

    Wrapped command = TRY(Wrapped::command(in.command.bytes()));                            // 2-3
    if (encrypts) crypt_transport(session, session.nonce_even, odd, "in", command.data());  // 4-5
    Digest h1 = digest_of(command.row().ordinal, std::as_const(command).data());            // 6
    auto size = static_cast<uint32_t>(in.command.size());
    TRY(call.authorize_transport(0, crypto::sha1_of(ordinal::ExecuteTransport, size, h1)));  // 7
    TRY(require(command.row().wrappable, Rc::NoWrapTransport));                              // 9
    if (session.pub.has(kTransportLog)) {                                                    // 10
      log(session, TransportLogIn{.parameters = h1, .pub_key_hash = TRY(named_keys(call, command))});
    }

    Wrapped answer = execute_wrapped(call, command, encrypts);  // 11
    CurrentTicks ticks = tpm.ticks();                           // 12
    Digest h2 = digest_of(answer);                              // 13-14
    call.audit_over(h1, h2);                                    // 8, 20
    const Nonce& even = call.next_nonce_even(0);                // 15
    if (session.pub.has(kTransportLog)) {                       // 16
      log(session, TransportLogOut{.ticks = ticks, .parameters = h2, .locality = call.locality});
    }
    if (encrypts) crypt_transport(session, even, odd, "out", answer.data());  // 17-18
    Transports& transports = tpm.transports.edit();
    if (Transport* mine = transports.find(session.handle)) mine->log = session.log;
    transports.sha1_thread = tpm.sha1->running ? session.handle : 0;
    return Out{ticks.ticks, call.locality, {wire::SizedBytes(std::move(answer).take()), h2}};  // 19, 21
  }

 private:
  static Digest digest_of(uint32_t ordinal, View data) {
    crypto::Sha1 hash;
    hash.put(ordinal);
    hash.update(data);
    return hash.finish();
  }
  static Digest digest_of(const Wrapped& answer) {
    crypto::Sha1 hash;
    hash.update(View(answer.bytes()).subspan(6, 4));  // the return code
    hash.put(answer.row().ordinal);
    hash.update(answer.data());
    return hash.finish();
  }

  // The hash of the hashes of each key's TPM_STORE_PUBKEY; also of one (10.c-e). InvalidKeyHandle (10.g).
  static Result<Digest> named_keys(const Call& call, const Wrapped& command) {
    constexpr Use kToName{.public_only = true, .ignore_pcrs = true, .allow_ek = true};
    std::vector<Digest> hashes;
    for (uint32_t handle : command.named_keys()) {
      const Key& key = *TRY(call.tpm.find_key(handle, kToName, call.locality));
      hashes.push_back(crypto::sha1_of(key.blob.pub_key));
    }
    if (hashes.empty()) return Digest{};
    return hashes.size() == 1 ? crypto::sha1_of(hashes[0]) : crypto::sha1_of(hashes[0], hashes[1]);
  }

  static Wrapped execute_wrapped(Call& call, const Wrapped& command, bool encrypts) {
    constexpr size_t kAround = 10 + 8 + 4 + 4 + 41;  // of the response that carries the answer
    Bytes answer(std::min<size_t>(call.response().size(), call.tpm.settings.buffer_bytes) - kAround);
    Envelope envelope{.transport = call.auth(0).handle(), .encrypts = encrypts};
    size_t n = dispatch(call.tpm, call.locality, base::ForeignBytes::read_only(command.bytes()),
                        base::ForeignBytes(answer), &envelope);
    answer.resize(n);
    return Wrapped::answer(command.row(), std::move(answer));
  }
};

// ---- 24.3 TPM_ReleaseTransportSigned ----
struct ReleaseTransportSigned {
  struct In {
    KeyHandle key;
    Nonce anti_replay{};
  };
  struct Out {
    uint32_t locality = 0;
    CurrentTicks ticks;
    wire::SizedBytes signature;
  };
  static Result<Out> run(Call& call, const In& in) {  // 1, 4-5: the sessions
    Tpm& tpm = call.tpm;
    TRY(require(signs_structures(in.key->blob.parms.sig_scheme), Rc::InappropriateSig));  // 2
    TRY(require(in.key->blob.usage == KeyUsage::Signing, Rc::InvalidKeyUsage));           // 3
    Transport session = *tpm.transports->find(call.auth(1).handle());
    TRY(require(session.pub.has(kTransportLog), Rc::BadMode));  // 7
    CurrentTicks ticks = tpm.ticks();
    log(session, TransportLogOut{.ticks = ticks,  // 6
                                 .parameters = crypto::sha1_of(ordinal::ReleaseTransportSigned, in.anti_replay),
                                 .locality = call.locality});
    SignInfo info{.fixed = {'T', 'R', 'A', 'N'}, .replay = in.anti_replay, .data = wire::SizedBytes(View(session.log))};
    wire::SizedBytes signature = TRY(signed_by(*in.key, info));  // 8
    call.auth(1).close();                                        // 9-10
    return Out{call.locality, ticks, std::move(signature)};      // 11
  }
};

constexpr std::array kRows = {
    delegable(KeyPermission::EstablishTransport,
              not_in_transport(row<EstablishTransport>(ordinal::EstablishTransport, "TPM_EstablishTransport",
                                                       Needs::Operational,
                                                       optional(key_or_none<&EstablishTransport::In::enc_key>())))),
    not_in_transport(row<ExecuteTransport>(ordinal::ExecuteTransport, "TPM_ExecuteTransport", Needs::Operational,
                                           deferred_transport())),
    delegable(KeyPermission::ReleaseTransportSigned,
              not_in_transport(row<ReleaseTransportSigned>(
                  ordinal::ReleaseTransportSigned, "TPM_ReleaseTransportSigned", Needs::Operational,
                  optional(key<&ReleaseTransportSigned::In::key>()), transport()))),
};

}  // namespace

Chapter chapter_24() { return kRows; }

}  // namespace tpm
