// SPDX-License-Identifier: MIT
// Call: the command in flight. Auth: one of its verified sessions.
#pragma once

#include <array>
#include <optional>

#include "engine/crypto/hash.h"
#include "engine/dispatch/audit.h"
#include "engine/dispatch/authorization.h"
#include "engine/dispatch/command.h"
#include "engine/dispatch/transport.h"
#include "engine/spec/ordinals.h"
#include "engine/spec/types.h"
#include "engine/state/tpm.h"

namespace tpm {

class Auth {
 public:
  // The secrets an OSAP session carries (Part 1, 13.5): the first with the even nonce of the request, the second with
  // the odd one. InappropriateEnc when the session has an unknown scheme; BadMode for an OIAP session.
  Result<Secret> open_even(const EncAuth& secret) const { return open(secret, nonce_even_); }
  Result<Secret> open_odd(const EncAuth& secret) const { return open(secret, nonce_odd_); }

  // Encrypts or decrypts, in place, data that travel under the session's secret (Part 3, 10.2, action 9).
  Result<> crypt(EntityScheme scheme, std::span<uint8_t> data) const;

  // continueAuthSession := FALSE.
  void close() { continue_ = false; }
  bool verified() const { return verified_; }
  ProtocolId protocol() const { return protocol_; }
  EntityScheme scheme() const { return scheme_; }
  uint32_t handle() const { return handle_; }
  const Nonce& nonce_odd() const { return nonce_odd_; }
  // What the caller was lent when it is not the owner, or the key's user, itself.
  const std::optional<DelegatePublic>& delegation() const { return delegation_; }
  // The response is authorised with another secret than the request: the command changed it.
  void answer_with(const Secret& secret) { hmac_key_ = secret; }

 private:
  friend class Call;
  Result<Secret> open(const EncAuth& secret, const Nonce& nonce) const;

  uint32_t handle_ = 0;
  Nonce nonce_odd_{};
  bool continue_ = false;
  std::array<uint8_t, 20> in_auth_{};

  bool present_ = false;
  bool verified_ = false;
  ProtocolId protocol_{};
  EntityScheme scheme_{};
  Nonce nonce_even_{};
  Secret hmac_key_;
  std::optional<DelegatePublic> delegation_;
  std::optional<Nonce> next_even_;
};

class Call {
 public:
  Call(Tpm& state, const CommandRow& command, Tag request_tag, uint8_t from_locality, base::ForeignBytes answer,
       const Envelope* inside = nullptr)
      : tpm(state),
        row(command),
        locality(from_locality),
        envelope(inside),
        tag_(request_tag),
        response_(answer),
        audited_(audited_now(state, command)) {}

  Tpm& tpm;
  const CommandRow& row;
  const uint8_t locality;
  const Envelope* const envelope;  // null for a command from outside

  // By slot of the row.
  Auth& auth(size_t slot) { return auths_[slot]; }
  bool has_auth(size_t slot) const { return auths_[slot].present_; }
  size_t sessions() const;
  Tag tag() const { return tag_; }

  // For deferred slots: proves that the session knows the entity's secret. AuthFail or Auth2Fail.
  Result<> authorize(size_t slot, const Entity& entity);
  // The same for a transport session, over a digest that is not that of the parameters.
  Result<> authorize_transport(size_t slot, const Digest& in_digest);
  // The nonce that the answer will bring for this session.
  const Nonce& next_nonce_even(size_t slot);

  // A command whose clause has other digests audited than those of its own parameters.
  void audit_over(const Digest& in_digest, const Digest& out_digest) { audited_digests_ = {in_digest, out_digest}; }

  // The steps of the dispatcher, in its order; execute<C> calls them.
  bool wants_in_digest() const { return sessions() > 0 || audited_; }
  Result<> bind_request(wire::Reader& reader, const Digest& in_digest);  // 6-9
  Result<> find_keys(void* in);                                          // 10
  Result<> authorize_slots(void* in);                                    // 11
  Result<> audit_before_action();                                        // 12
  Result<> all_verified() const;
  Result<> finish(size_t param_bytes, const Digest* out_digest);  // 13
  base::ForeignBytes response() const { return response_; }
  size_t response_bytes() const { return response_bytes_; }
  void write_head(wire::Writer& w) const;
  void write_trailers(wire::Writer& w) const;

  // Whether a failure ends the request's sessions: from step 10 on.
  bool past_parsing() const { return past_parsing_; }
  void end_sessions();
  // Whose secret a session proved wrong; nobody's when it was something else that failed.
  std::optional<EntityType> wrong_proof() const { return wrong_proof_; }

  // Part 3, 26: a DAA session does not outlive a stage that failed.
  void end_daa_session_on_failure(uint32_t handle) { daa_session_ = handle; }

 private:
  struct Trailer {
    Nonce nonce_even{};
    bool continues = false;
    Digest res_auth{};
  };

  // TPM_SaveState is audited before its action, so that what it saves has the audit (Part 3, 8.1, corner case 3.a).
  bool audited_before() const { return audited_ && row.ordinal == ordinal::SaveState; }
  bool envelope_hides() const { return envelope != nullptr && envelope->encrypts; }
  Result<> audit(const Digest& out_digest);
  Result<> check_state() const;
  Result<> check_tag();
  Result<> read_trailers(wire::Reader& reader);
  Result<> check_auth_data_usage(const Key& key, Use use) const;
  bool locked_out(EntityType type) const;
  Rc auth_failure(size_t slot) const;
  Result<> check_hmac(size_t slot, const Digest& in_digest);
  bool move_on(size_t slot, const Nonce& nonce_even);
  Result<> key_from_entity(Auth& auth, const Entity& entity);
  Result<> key_from_session(size_t slot, const Session& session, const Entity& entity);

  const Tag tag_;
  base::ForeignBytes response_;
  const bool audited_;         // as it was when the command came
  std::array<Auth, 2> auths_;  // without {}, which would clear their optional parts too
  Digest in_digest_{};
  std::array<Trailer, 2> trailers_;
  size_t response_bytes_ = 0;
  bool past_parsing_ = false;
  std::optional<EntityType> wrong_proof_;
  std::optional<std::pair<Digest, Digest>> audited_digests_;
  uint32_t daa_session_ = 0;
};

}  // namespace tpm
