// SPDX-License-Identifier: MIT
// A TPM 1.2 client written from Parts 2 and 3 alone: it shares no code with the engine, so that the two check each
// other.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace client {

using Bytes = std::vector<uint8_t>;
using Digest = std::array<uint8_t, 20>;

// ---- Bytes ----

// Appends fields in the TPM's byte order.
class Out {
 public:
  Out& u8(uint32_t value);
  Out& u16(uint32_t value);
  Out& u32(uint32_t value);
  Out& u64(uint64_t value);
  Out& raw(const Bytes& bytes);
  Out& raw(const Digest& digest);
  Out& sized(const Bytes& bytes);            // a 32-bit length first
  operator Bytes() const { return bytes_; }  // NOLINT: a builder is its bytes
  const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

// Takes fields off; once a field was not there, ok() stays false and every field is zero or empty.
class In {
 public:
  explicit In(Bytes bytes) : bytes_(std::move(bytes)) {}
  uint8_t u8();
  uint16_t u16();
  uint32_t u32();
  uint64_t u64();
  Bytes raw(size_t n);
  Digest digest();
  Bytes sized();
  Bytes rest() { return raw(bytes_.size() - at_); }
  size_t at() const { return at_; }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && at_ == bytes_.size(); }

 private:
  uint64_t number(size_t n);
  Bytes bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

Bytes bytes_of(std::string_view text);
Bytes bytes_of(const Digest& digest);
std::string hex(const Bytes& bytes);
Digest sha1(const Bytes& bytes);
Digest hmac_sha1(const Digest& key, const Bytes& bytes);
// Fresh, never repeated within a process.
Digest fresh_nonce();
// A secret for tests, from a name.
Digest secret(std::string_view name);
inline constexpr Digest kWellKnown{};

// ---- RSA, by OpenSSL ----

struct RsaPublic {
  Bytes modulus;
  uint32_t exponent = 65537;
  bool operator==(const RsaPublic&) const = default;
};
struct RsaPair {
  RsaPublic pub;
  Bytes prime;
};
// A new pair of our own, for keys that are made outside the TPM.
RsaPair make_rsa(int bits);
// OAEP with SHA-1 and the label "TCPA".
Bytes oaep_tcpa(const RsaPublic& key, const Bytes& plain);
Bytes pkcs1_v15(const RsaPublic& key, const Bytes& plain);
// Whether `signature` is PKCS#1 v1.5 over the SHA-1 `digest`.
bool verify_sha1(const RsaPublic& key, const Digest& digest, const Bytes& signature);
// Whether `signature` is PKCS#1 v1.5 over `der` without a DER header of ours (TPM_SS_RSASSAPKCS1v15_DER).
bool verify_der(const RsaPublic& key, const Bytes& der, const Bytes& signature);

// ---- Structures of Part 2 ----

struct KeyParms {
  uint32_t algorithm = 1;  // RSA
  uint16_t enc_scheme = 1;
  uint16_t sig_scheme = 1;
  uint32_t bits = 2048;
  uint32_t primes = 2;
  Bytes exponent;
  Bytes encode() const;
  static KeyParms decode(In& in);
};

// TPM_KEY or TPM_KEY12.
struct Key {
  bool key12 = false;
  uint16_t usage = 0x0010;
  uint32_t flags = 0;
  uint8_t auth_usage = 1;
  KeyParms parms;
  Bytes pcr_info;
  Bytes modulus;
  Bytes encrypted;
  Bytes encode() const;
  Bytes encode_public_part() const;  // what pubDataDigest covers: all but `encrypted`
  static Key decode(In& in);
  static Key decode(const Bytes& bytes);
  RsaPublic pub() const { return {.modulus = modulus}; }
};
inline constexpr uint16_t kSigning = 0x0010, kStorage = 0x0011, kIdentity = 0x0012, kAuthChange = 0x0013,
                          kBind = 0x0014, kLegacy = 0x0015, kMigrate = 0x0016;
inline constexpr uint32_t kRedirection = 1, kMigratable = 2, kVolatile = 4, kIgnorePcrOnRead = 8,
                          kMigrateAuthority = 16;
inline constexpr uint16_t kEsNone = 1, kEsPkcs = 2, kEsOaep = 3;
inline constexpr uint16_t kSsNone = 1, kSsSha1 = 2, kSsDer = 3, kSsInfo = 4;

Key storage_key(uint32_t bits = 2048);
Key signing_key(uint32_t bits = 1024, uint16_t scheme = kSsSha1);
Key bind_key(uint32_t bits = 1024, uint16_t scheme = kEsOaep);
Key legacy_key(uint32_t bits = 1024);
Key identity_key();
Key srk_template();

// TPM_PUBKEY.
struct PubKey {
  KeyParms parms;
  Bytes modulus;
  Bytes encode() const;
  static PubKey decode(In& in);
  RsaPublic pub() const { return {.modulus = modulus}; }
};

// A key made outside, wrapped for a parent: migratable or not, as its flags say.
Bytes wrap_outside(Key key, const RsaPair& pair, const RsaPublic& parent, const Digest& usage_auth,
                   const Digest& migration_auth);

Bytes pcr_selection(std::initializer_list<unsigned> pcrs, size_t n_bytes = 3);
// TPM_COMPOSITE_HASH of these values.
Digest composite(const Bytes& selection, const std::vector<Digest>& values);
Bytes pcr_info(const Bytes& selection, const Digest& at_release, const Digest& at_creation = {});
Bytes pcr_info_long(const Bytes& creation, const Bytes& release, const Digest& at_release, uint8_t locality = 1,
                    uint8_t locality_at_creation = 1, const Digest& at_creation = {});

// ---- Commands and sessions ----

// The TPM: a whole command in, a whole response out.
using Transport = std::function<Bytes(const Bytes& command, uint8_t locality)>;

enum class SessionKind { Oiap, Osap };
struct Session {
  SessionKind kind = SessionKind::Oiap;
  uint32_t handle = 0;
  Digest nonce_even{};
  Digest shared{};     // OSAP only
  bool alive = false;  // as far as the client can tell from what was answered
};

// One authorisation trailer: the session and the secret it proves. For an OSAP session the shared secret counts.
struct Proof {
  Session* session = nullptr;
  Digest secret{};
  bool keep = false;
  std::optional<Digest> nonce_odd{};  // where the parameters depend on it; otherwise a fresh one
};

struct Command {
  uint32_t ordinal = 0;
  Bytes handles{};  // in clear, outside the digest
  Bytes params{};
  std::vector<Proof> proofs{};
  size_t out_handle_bytes = 0;  // of the response, outside its digest
  // A command that carries another is authorised over other bytes than its parameters, and its outcome is that of what
  // it carries. `even` is the nonce that came with the response.
  std::optional<Bytes> digested{};
  std::function<Bytes(const Bytes& params, const Digest& even)> digested_out{};
  std::function<struct Reply(const struct Reply&)> carried{};
};

// A command made ready: `frame` may still be tampered with before it is sent.
struct Prepared {
  Command command;
  Bytes frame;
  std::vector<Digest> nonces_odd;
};

// What came back. `defect` names the first thing that is wrong with the response's form or proofs; empty when nothing
// is.
struct Reply {
  uint32_t code = 0xffffffff;
  Bytes handles{};
  Bytes params{};
  std::string defect{};
  bool ok() const { return code == 0 && defect.empty(); }
};

// A value, or the code (or defect) that came instead.
template <class T>
struct Answer {
  Reply reply;
  T value{};
  bool ok() const { return reply.ok(); }
  uint32_t code() const { return reply.code; }
};

struct Quoted {
  Bytes composite;  // TPM_PCR_COMPOSITE or TPM_PCR_INFO_SHORT
  Bytes version;    // TPM_CAP_VERSION_INFO, Quote2 only
  Bytes signature;
};
struct Loaded {
  uint32_t handle = 0;
};
struct Identity {
  Key key;
  Bytes binding;  // the new key's signature over TPM_IDENTITY_CONTENTS
};
struct Ticks {
  uint64_t count = 0;
  uint16_t rate = 0;
  Digest nonce{};
};

inline constexpr uint32_t kSrk = 0x40000000, kOwner = 0x40000001, kEk = 0x40000006;
inline constexpr uint16_t kEtKeyHandle = 1, kEtOwner = 2, kEtSrk = 4, kEtKey = 5;

class Tpm {
 public:
  explicit Tpm(Transport transport) : transport_(std::move(transport)) {}

  uint8_t locality = 0;

  // Encodes, with proofs from the sessions as they stand.
  Prepared prepare(const Command& command) const;
  Bytes send(const Bytes& frame) { return transport_(frame, locality); }
  // Checks the response's form, nonces and proofs, and moves the sessions on.
  Reply finish(const Prepared& prepared, const Bytes& response) const;
  Reply run(const Command& command);
  // Without authorisation.
  Reply run(uint32_t ordinal, const Bytes& params = {}) { return run({.ordinal = ordinal, .params = params}); }

  Answer<Session> oiap();
  Answer<Session> osap(uint16_t type, uint32_t value, const Digest& secret);
  // One command under a fresh OIAP session that it ends.
  Reply run_oiap(Command command, const Digest& secret);

  // Each helper opens the sessions it needs.
  Reply startup(uint16_t type = 1);
  Reply presence(uint16_t flags) { return run(0x4000000a, Out().u16(flags)); }
  Answer<PubKey> read_pubek();
  Answer<Key> take_ownership(const PubKey& ek, const Digest& owner, const Digest& srk,
                             const Key& srk_key = srk_template());
  Answer<Key> create_wrap_key(uint32_t parent, const Digest& parent_auth, const Key& key, const Digest& usage_auth,
                              const Digest& migration_auth = {});
  Answer<Identity> make_identity(const Digest& owner, const Digest& srk_auth, const Digest& identity_auth,
                                 const Digest& label, const Key& key);
  Answer<Loaded> load_key2(uint32_t parent, const Digest& parent_auth, const Bytes& key);
  Answer<Loaded> load_key(uint32_t parent, const Digest& parent_auth, const Bytes& key);
  Answer<PubKey> get_pubkey(uint32_t key, const Digest& auth);
  Answer<Bytes> seal(uint32_t key, const Digest& key_auth, const Bytes& data, const Digest& data_auth,
                     const Bytes& pcr_info = {});
  Answer<Bytes> sealx(uint32_t key, const Digest& key_auth, const Bytes& data, const Digest& data_auth,
                      const Bytes& pcr_info);
  Answer<Bytes> unseal(uint32_t key, const Digest& key_auth, const Bytes& blob, const Digest& data_auth);
  Answer<Bytes> unbind(uint32_t key, const Digest& key_auth, const Bytes& encrypted);
  Answer<Bytes> sign(uint32_t key, const Digest& key_auth, const Bytes& area);
  Answer<Quoted> quote(uint32_t key, const Digest& key_auth, const Digest& external, const Bytes& selection);
  Answer<Quoted> quote2(uint32_t key, const Digest& key_auth, const Digest& external, const Bytes& selection,
                        bool add_version);
  Answer<Digest> extend(uint32_t pcr, const Digest& event);
  Answer<Digest> pcr_read(uint32_t pcr);
  Answer<Bytes> get_capability(uint32_t area, const Bytes& sub = {});
  Answer<Bytes> get_random(uint32_t n);
  Answer<Ticks> get_ticks();
  Reply flush(uint32_t handle, uint32_t type) {
    return run({.ordinal = 0xba, .handles = Out().u32(handle), .params = Out().u32(type)});
  }

 private:
  Transport transport_;
};

// ADIP: the secret as it travels in an OSAP session.
Digest hide_even(const Session& session, const Digest& secret);
Digest hide_odd(const Session& session, const Digest& nonce_odd, const Digest& secret);

}  // namespace client
