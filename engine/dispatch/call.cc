// SPDX-License-Identifier: MIT
#include "engine/dispatch/call.h"

namespace tpm {

namespace {

constexpr size_t kHeaderBytes = 10;
constexpr size_t kTrailerBytes = sizeof(Nonce) + 1 + sizeof(Digest);

struct RequestTrailer {
  uint32_t handle = 0;
  Nonce nonce_odd{};
  bool continues = false;
  std::array<uint8_t, 20> in_auth{};
};

Tag response_tag(Tag request) { return static_cast<Tag>(static_cast<uint16_t>(request) + 3); }

}  // namespace

size_t Call::sessions() const {
  switch (tag_) {
    case Tag::RequestAuth1:
      return 1;
    case Tag::RequestAuth2:
      return 2;
    default:
      return 0;
  }
}

Result<> Call::bind_request(wire::Reader& reader, const Digest& in_digest) {
  in_digest_ = in_digest;
  TRY(check_state());
  TRY(check_tag());
  TRY(read_trailers(reader));
  TRY(require(reader.empty(), Rc::BadParamSize));
  past_parsing_ = true;
  return {};
}

Result<> Call::check_state() const {
  const Needs& needs = row.needs;
  if (needs.started) TRY(require(!tpm.stany->failed, Rc::FailedSelfTest));
  bool gates = !(needs.nv_noauth && !tpm.flags->nv_locked);
  if (needs.enabled && gates) TRY(require(!tpm.disabled(), Rc::Disabled));
  if (needs.activated && gates) TRY(require(!tpm.deactivated(), Rc::Deactivated));
  if (needs.owner) TRY(require(tpm.owned(), Rc::NoSrk));
  return {};
}

Result<> Call::check_tag() {
  TRY(require(tag_ == Tag::Request || tag_ == Tag::RequestAuth1 || tag_ == Tag::RequestAuth2, Rc::BadTag));
  return require(sessions() >= row.least_sessions() && sessions() <= row.n_auth, Rc::BadTag);
}

Result<> Call::read_trailers(wire::Reader& reader) {
  size_t first = row.n_auth - sessions();  // optional slots are dropped from the front
  for (size_t slot = first; slot < row.n_auth; slot++) {
    auto trailer = TRY(reader.get<RequestTrailer>());
    Auth& auth = auths_[slot];
    auth.handle_ = trailer.handle;
    auth.nonce_odd_ = trailer.nonce_odd;
    auth.continue_ = trailer.continues;
    auth.in_auth_ = trailer.in_auth;
    auth.present_ = true;
  }
  return {};
}

Result<> Call::find_keys(void* in) {
  for (size_t slot = 0; slot < row.n_auth; slot++) {
    const AuthSlot& wanted = row.auth[slot];
    if (wanted.kind != AuthSlot::Kind::Key) continue;
    KeyHandle& handle = wanted.handle_in(in);
    handle.key = TRY(tpm.find_key(handle.value, wanted.use, locality));
    if (!has_auth(slot)) TRY(check_auth_data_usage(*handle.key, wanted.use));
  }
  return {};
}

Result<> Call::check_auth_data_usage(const Key& key, Use use) const {
  bool free = key.blob.auth_data_usage == AuthDataUsage::Never ||
              (use.public_only && key.blob.auth_data_usage == AuthDataUsage::PrivUseOnly);
  return require(free, Rc::AuthFail);
}

Result<> Call::authorize_slots(void* in) {
  for (size_t slot = 0; slot < row.n_auth; slot++) {
    const AuthSlot& wanted = row.auth[slot];
    if (!has_auth(slot)) continue;
    if (wanted.kind == AuthSlot::Kind::Key) {
      const KeyHandle& key = wanted.handle_in(in);
      if (delegated(slot)) TRY(tpm.check_delegated_use(key->blob));
      TRY(authorize(slot, Entity::of(key)));
    }
    if (wanted.kind == AuthSlot::Kind::Owner) {
      TRY(require(tpm.owned(), Rc::AuthFail));
      TRY(authorize(slot, Entity::owner(tpm)));
    }
  }
  return {};
}

bool Call::delegated(size_t slot) const {
  const Session* session = tpm.sessions->find(auths_[slot].handle_);
  return session != nullptr && session->protocol == ProtocolId::Dsap;
}

Result<> Call::authorize(size_t slot, const Entity& entity) {
  Auth& auth = auths_[slot];
  const Session* session = tpm.sessions->find(auth.handle_);
  TRY(require(session != nullptr, Rc::InvalidAuthHandle));
  Protocol wanted = row.auth[slot].protocol;
  bool oiap = session->protocol == ProtocolId::Oiap;
  TRY(require(wanted == Protocol::Any || (wanted == Protocol::Oiap) == oiap, Rc::BadMode));

  // Part 3, 9: no proof is looked at while a time-out runs.
  bool barred =
      row.needs.no_lockout && tpm.lockout->running() && tpm.lockout->seconds_left(entity.type, tpm.ticks()) > 0;
  TRY(require(!barred, Rc::DefendLockRunning));
  bool second = slot > 0 && has_auth(0);
  Rc failure = second ? Rc::Auth2Fail : Rc::AuthFail;
  if (!oiap) TRY(require(session->entity_digest == entity.digest && entity.type != EntityType::Data, failure));

  auth.protocol_ = session->protocol;
  auth.scheme_ = session->scheme;
  auth.nonce_even_ = session->nonce_even;
  auth.hmac_key_ = oiap ? entity.secret : session->shared_secret;
  Digest expected = crypto::hmac_of(auth.hmac_key_, in_digest_, auth.nonce_even_, auth.nonce_odd_, auth.continue_);
  if (!base::equal_constant_time(expected, auth.in_auth_)) {
    wrong_proof_ = entity.type;
    return failure;
  }
  auth.verified_ = true;
  return {};
}

Result<> Call::all_verified() const {
  for (const Auth& auth : auths_) TRY(require(!auth.present_ || auth.verified_, Rc::AuthFail));
  return {};
}

Result<> Call::finish(size_t param_bytes, const Digest* out_digest) {
  response_bytes_ = kHeaderBytes + param_bytes + sessions() * kTrailerBytes;
  TRY(require(response_bytes_ <= response_.size() && response_bytes_ <= tpm.settings.buffer_bytes, Rc::Size));
  for (size_t slot = 0; slot < row.n_auth; slot++) {
    if (!has_auth(slot)) continue;
    Auth& auth = auths_[slot];
    Trailer& trailer = trailers_[slot];
    trailer.nonce_even = tpm.nonce();
    Sessions& sessions = tpm.sessions.edit();
    // The action may have ended the session together with its entity.
    Session* session = sessions.find(auth.handle_);
    trailer.continues = auth.continue_ && session != nullptr;
    trailer.res_auth =
        crypto::hmac_of(auth.hmac_key_, *out_digest, trailer.nonce_even, auth.nonce_odd_, trailer.continues);
    if (trailer.continues) {
      session->nonce_even = trailer.nonce_even;
    } else {
      sessions.end(auth.handle_);
    }
  }
  if (audited_ && !audited_before()) TRY(audit(*out_digest));
  return tpm.commit();
}

Result<> Call::audit_before_action() {
  if (!audited_before()) return {};
  TRY(audit_input(tpm, in_digest_));
  return tpm.commit();
}

Result<> Call::audit(const Digest& out_digest) {
  TRY(audit_input(tpm, in_digest_));
  audit_output(tpm, out_digest);
  return {};
}

void Call::write_head(wire::Writer& w) const {
  w.put(response_tag(tag_));
  w.uint(static_cast<uint32_t>(response_bytes_));
  w.put(Rc::Success);
}

void Call::write_trailers(wire::Writer& w) const {
  for (size_t slot = 0; slot < row.n_auth; slot++) {
    if (has_auth(slot)) w.put(trailers_[slot]);
  }
}

void Call::end_sessions() {
  for (const Auth& auth : auths_) {
    if (auth.present_ && tpm.sessions->find(auth.handle_) != nullptr) tpm.sessions.edit().end(auth.handle_);
  }
  if (tpm.daa->find(daa_session_).ok()) tpm.daa.edit().end(daa_session_);
}

}  // namespace tpm
