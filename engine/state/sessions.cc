// SPDX-License-Identifier: MIT
#include "engine/state/sessions.h"

#include <algorithm>

namespace tpm {

Result<Session*> Sessions::open() {
  auto free = std::ranges::find(slots_, 0u, &Session::handle);
  if (free == slots_.end()) return Rc::Resources;
  do {
    free->handle = next_handle_++;
    if (next_handle_ >= 0x03000000) next_handle_ = 0x02000000;
  } while (std::ranges::count(slots_, free->handle, &Session::handle) > 1);
  return &*free;
}

const Session* Sessions::find(uint32_t handle) const {
  if (handle == 0) return nullptr;
  auto found = std::ranges::find(slots_, handle, &Session::handle);
  return found == slots_.end() ? nullptr : &*found;
}

Session* Sessions::find(uint32_t handle) {
  if (handle == 0) return nullptr;
  auto found = std::ranges::find(slots_, handle, &Session::handle);
  return found == slots_.end() ? nullptr : &*found;
}

bool Sessions::end(uint32_t handle) {
  Session* session = find(handle);
  if (session == nullptr) return false;
  *session = Session{};
  return true;
}

void Sessions::end_entity(EntityType type, const Digest* digest) {
  for (Session& session : slots_) {
    bool bound = session.handle != 0 && session.protocol != ProtocolId::Oiap && session.entity_type == type;
    if (bound && (digest == nullptr || session.entity_digest == *digest)) session = Session{};
  }
}

void Sessions::end_all_osap() {
  for (Session& session : slots_) {
    if (session.handle != 0 && session.protocol != ProtocolId::Oiap) session = Session{};
  }
}

void Sessions::end_all() { slots_.fill(Session{}); }

size_t Sessions::free_slots() const { return static_cast<size_t>(std::ranges::count(slots_, 0u, &Session::handle)); }

wire::Result<Sessions> Sessions::read_from(wire::Reader& r) {
  Sessions sessions;
  sessions.next_handle_ = TRY(r.uint<uint32_t>());
  for (Session& session : sessions.slots_) {
    session.handle = TRY(r.uint<uint32_t>());
    if (session.handle == 0) continue;
    uint32_t handle = session.handle;
    session = TRY(r.get<Session>());
    if (session.handle != handle) return wire::Malformed{};
  }
  return sessions;
}

void Sessions::write_to(wire::Writer& w) const {
  w.uint(next_handle_);
  for (const Session& session : slots_) {
    w.uint(session.handle);
    if (session.handle != 0) w.put(session);
  }
}

}  // namespace tpm
