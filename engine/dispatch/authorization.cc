// SPDX-License-Identifier: MIT
#include "engine/dispatch/authorization.h"

#include "engine/dispatch/call.h"

namespace tpm {

namespace {

// Part 2, 20.2: the right kind of permissions, and the command's bit among them.
bool permits(const Delegations& permissions, const CommandRow& row, EntityType entity) {
  bool owner = entity == EntityType::Owner;
  auto wanted = owner ? static_cast<uint32_t>(row.owner_permission) : static_cast<uint32_t>(row.key_permission);
  DelegateType type = owner ? DelegateType::OwnerBits : DelegateType::KeyBits;
  return permissions.type == type && (permissions.per1 & wanted) != 0;
}

bool fits(Protocol wanted, ProtocolId protocol) {
  return wanted == Protocol::Any || (wanted == Protocol::Oiap) == (protocol == ProtocolId::Oiap);
}

}  // namespace

Result<> check_delegation(const Tpm& tpm, const CommandRow& row, uint8_t locality, const DelegatePublic& delegation,
                          EntityType entity) {
  TRY(require(permits(delegation.permissions, row, entity), Rc::AuthFail));
  const PcrInfoShort& pcrs = delegation.pcr_info;
  if (!pcrs.selection.empty()) {
    TRY(require(tpm.pcrs->composite_hash(pcrs.selection) == pcrs.digest_at_release, Rc::WrongPcrVal));
  }
  return require(locality_in(pcrs.locality_at_release, locality), Rc::BadLocality);
}

Result<const DelegateRow*> owners_stand_in(const Tpm& tpm) {
  if (tpm.stclear->owner_reference == kOwnerHandle) return nullptr;
  const DelegateRow* row = tpm.delegation->row(tpm.stclear->owner_reference);
  TRY(require(row != nullptr, Rc::BadIndex));
  return row;
}

Result<> Call::authorize_slots(void* in) {
  for (size_t slot = 0; slot < row.n_auth; slot++) {
    const AuthSlot& wanted = row.auth[slot];
    if (!has_auth(slot)) continue;
    if (wanted.kind == AuthSlot::Kind::Key) {
      const KeyHandle& key = wanted.handle_in(in);
      TRY(authorize(slot, Entity::of(key)));
      if (auth(slot).delegation()) TRY(tpm.check_delegated_use(key->blob));
    }
    if (wanted.kind == AuthSlot::Kind::Owner) TRY(authorize(slot, Entity::owner(tpm)));
    if (wanted.kind == AuthSlot::Kind::Transport && !wanted.by_action) TRY(authorize_transport(slot, in_digest_));
  }
  return {};
}

Result<> Call::authorize(size_t slot, const Entity& entity) {
  Auth& auth = auths_[slot];
  const Session* session = tpm.sessions->find(auth.handle_);
  TRY(require(session != nullptr, Rc::InvalidAuthHandle));
  const AuthSlot& wanted = row.auth[slot];
  TRY(require(fits(wanted.protocol, session->protocol), wanted.wrong_protocol));
  TRY(require(entity.type != EntityType::Owner || tpm.owned(), Rc::AuthFail));

  auth.protocol_ = session->protocol;
  auth.scheme_ = session->scheme;
  auth.nonce_even_ = session->nonce_even;
  TRY(session->protocol == ProtocolId::Oiap ? key_from_entity(auth, entity) : key_from_session(slot, *session, entity));
  EntityType guessed = auth.delegation_ ? EntityType::DelegationRow : entity.type;
  TRY(require(!locked_out(guessed), Rc::DefendLockRunning));
  Result<> proven = check_hmac(slot, in_digest_);
  if (!proven.ok()) wrong_proof_ = guessed;
  return proven;
}

// Part 3, 9: no proof is looked at while a time-out runs.
bool Call::locked_out(EntityType type) const {
  return row.needs.no_lockout && tpm.lockout->running() && tpm.lockout->seconds_left(type, tpm.ticks()) > 0;
}

Result<> Call::authorize_transport(size_t slot, const Digest& in_digest) {
  Auth& auth = auths_[slot];
  const Transport* session = tpm.transports->find(auth.handle_);
  TRY(require(session != nullptr, Rc::InvalidAuthHandle));
  auth.protocol_ = ProtocolId::Transport;
  auth.nonce_even_ = session->nonce_even;
  auth.hmac_key_ = session->auth;
  return check_hmac(slot, in_digest);
}

Result<> Call::check_hmac(size_t slot, const Digest& in_digest) {
  Auth& auth = auths_[slot];
  Digest expected = crypto::hmac_of(auth.hmac_key_, in_digest, auth.nonce_even_, auth.nonce_odd_, auth.continue_);
  TRY(require(base::equal_constant_time(expected, auth.in_auth_), auth_failure(slot)));
  auth.verified_ = true;
  return {};
}

Rc Call::auth_failure(size_t slot) const { return slot > 0 && has_auth(0) ? Rc::Auth2Fail : Rc::AuthFail; }

// The owner's secret may be that of a delegation, without the user of the session knowing (Part 3, 18.1).
Result<> Call::key_from_entity(Auth& auth, const Entity& entity) {
  auth.hmac_key_ = entity.secret;
  if (entity.type != EntityType::Owner) return {};
  const DelegateRow* stand_in = TRY(owners_stand_in(tpm));
  if (stand_in == nullptr) return {};
  TRY(check_delegation(tpm, row, locality, stand_in->pub, entity.type));
  auth.delegation_ = stand_in->pub;
  auth.hmac_key_ = stand_in->auth;
  return {};
}

Result<> Call::key_from_session(size_t slot, const Session& session, const Entity& entity) {
  Auth& auth = auths_[slot];
  TRY(require(session.entity_digest == entity.digest && entity.type != EntityType::Data, auth_failure(slot)));
  if (session.protocol == ProtocolId::Dsap) {
    auth.delegation_ = TRY(session.delegate.as<DelegatePublic>(Rc::BadDelegate));
    TRY(check_delegation(tpm, row, locality, *auth.delegation_, entity.type));
  }
  auth.hmac_key_ = session.shared_secret;
  return {};
}

Result<> Call::all_verified() const {
  for (const Auth& auth : auths_) TRY(require(!auth.present_ || auth.verified_, Rc::AuthFail));
  return {};
}

}  // namespace tpm
