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
    if (wanted.kind == AuthSlot::Kind::Transport) {
      end_exclusive_but(tpm, auths_[slot].handle_);
      TRY(tpm.commit());
    }
    if (wanted.kind != AuthSlot::Kind::Key) continue;
    KeyHandle& handle = wanted.handle_in(in);
    if (wanted.may_be_none && handle.value == kTransportHandle) {
      TRY(require(!has_auth(slot), Rc::BadTag));
      continue;
    }
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

Result<> Call::finish(size_t param_bytes, const Digest* out_digest) {
  response_bytes_ = kHeaderBytes + param_bytes + sessions() * kTrailerBytes;
  TRY(require(response_bytes_ <= response_.size() && response_bytes_ <= tpm.settings.buffer_bytes, Rc::Size));
  for (size_t slot = 0; slot < row.n_auth; slot++) {
    if (!has_auth(slot)) continue;
    const Auth& auth = auths_[slot];
    Trailer& trailer = trailers_[slot];
    trailer.nonce_even = next_nonce_even(slot);
    trailer.continues = move_on(slot, trailer.nonce_even);
    trailer.res_auth =
        crypto::hmac_of(auth.hmac_key_, *out_digest, trailer.nonce_even, auth.nonce_odd_, trailer.continues);
  }
  if (audited_ && !audited_before()) TRY(audit(*out_digest));
  if (envelope != nullptr) return {};  // the command around this one commits
  return tpm.commit();
}

Result<> Call::audit_before_action() {
  if (!audited_before()) return {};
  TRY(audit_input(tpm, envelope_hides() ? crypto::sha1_of(row.ordinal) : in_digest_));
  return tpm.commit();
}

// What an encrypting transport hides is not told by the audit digest either (Part 3, 8.1 and 24.2).
Result<> Call::audit(const Digest& out_digest) {
  std::pair<Digest, Digest> digests = audited_digests_.value_or(std::pair(in_digest_, out_digest));
  if (envelope_hides()) digests = {crypto::sha1_of(row.ordinal), crypto::sha1_of(Rc::Success, row.ordinal)};
  TRY(audit_input(tpm, digests.first));
  audit_output(tpm, digests.second);
  return {};
}

const Nonce& Call::next_nonce_even(size_t slot) {
  std::optional<Nonce>& next = auths_[slot].next_even_;
  if (!next) next = tpm.nonce();
  return *next;
}

// Whether the session goes on. The action may have ended it together with its entity.
bool Call::move_on(size_t slot, const Nonce& nonce_even) {
  const Auth& auth = auths_[slot];
  if (row.auth[slot].kind == AuthSlot::Kind::Transport) {
    Transport* transport = tpm.transports.edit().find(auth.handle_);
    if (transport == nullptr) return false;
    transport->nonce_even = nonce_even;
    if (!auth.continue_) end_transport(tpm, auth.handle_);
    return auth.continue_;
  }
  Session* session = tpm.sessions.edit().find(auth.handle_);
  if (session == nullptr) return false;
  session->nonce_even = nonce_even;
  if (!auth.continue_) tpm.sessions.edit().end(auth.handle_);
  return auth.continue_;
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
  for (size_t slot = 0; slot < row.n_auth; slot++) {
    if (!has_auth(slot)) continue;
    uint32_t handle = auths_[slot].handle_;
    if (row.auth[slot].kind == AuthSlot::Kind::Transport) {
      if (tpm.transports->find(handle) != nullptr) end_transport(tpm, handle);
    } else if (tpm.sessions->find(handle) != nullptr) {
      tpm.sessions.edit().end(handle);
    }
  }
  if (tpm.daa->find(daa_session_).ok()) tpm.daa.edit().end(daa_session_);
}

}  // namespace tpm
