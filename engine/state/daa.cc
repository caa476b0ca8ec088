// SPDX-License-Identifier: MIT
#include "engine/state/daa.h"

#include <algorithm>

#include "lib/base/verify.h"

namespace tpm {

Result<DaaSession> DaaSessions::open() {
  TRY(require(free_slots() > 0, Rc::Resources));
  DaaSession session{.handle = next_handle_++};
  if (next_handle_ >= 0x07000000) next_handle_ = 0x06000000;
  return session;
}

Result<const DaaSession*> DaaSessions::find(uint32_t handle) const {
  auto found = std::ranges::find(slots_, handle, &DaaSession::handle);
  TRY(require(handle != 0 && found != slots_.end(), Rc::BadHandle));
  return &*found;
}

void DaaSessions::keep(DaaSession session) {
  auto place = std::ranges::find(slots_, session.handle, &DaaSession::handle);
  if (place == slots_.end()) place = std::ranges::find(slots_, 0u, &DaaSession::handle);
  VERIFY(place != slots_.end());
  *place = std::move(session);
}

bool DaaSessions::end(uint32_t handle) {
  auto found = std::ranges::find(slots_, handle, &DaaSession::handle);
  if (handle == 0 || found == slots_.end()) return false;
  *found = DaaSession{};
  return true;
}

size_t DaaSessions::free_slots() const {
  return static_cast<size_t>(std::ranges::count(slots_, 0u, &DaaSession::handle));
}

wire::Result<DaaSessions> DaaSessions::read_from(wire::Reader& r) {
  DaaSessions sessions;
  sessions.next_handle_ = TRY(r.uint<uint32_t>());
  for (DaaSession& session : sessions.slots_) {
    session.handle = TRY(r.uint<uint32_t>());
    if (session.handle == 0) continue;
    uint32_t handle = session.handle;
    session = TRY(r.get<DaaSession>());
    if (session.handle != handle) return wire::Malformed{};
  }
  return sessions;
}

void DaaSessions::write_to(wire::Writer& w) const {
  w.uint(next_handle_);
  for (const DaaSession& session : slots_) {
    w.uint(session.handle);
    if (session.handle != 0) w.put(session);
  }
}

}  // namespace tpm
