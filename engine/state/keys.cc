// SPDX-License-Identifier: MIT
#include "engine/state/keys.h"

#include <algorithm>

#include "engine/crypto/hash.h"

namespace tpm {

wire::Result<Key> Key::read_from(wire::Reader& r) {
  Key key;
  key.blob = TRY(r.get<KeyBlob>());
  key.secret = TRY(r.get<StoreAsymKey>());
  key.parent_pcr_status = TRY(r.get<bool>());
  bool present = TRY(r.get<bool>());
  if (present && !key.prepare()) return wire::Malformed{};
  return key;
}

void Key::write_to(wire::Writer& w) const {
  w.put(blob);
  w.put(secret);
  w.put(parent_pcr_status);
  w.put(present());
}

bool Key::prepare() {
  auto parms = blob.parms.parms.as<RsaKeyParms>(Rc::BadKeyProperty);
  if (!parms.ok()) return false;
  rsa = crypto::RsaKey::from_prime(blob.pub_key, parms.value().exponent, secret.prime);
  return rsa != nullptr;
}

Digest Key::public_digest() const {
  return crypto::sha1_of(blob.ver_or_tag, blob.usage, blob.flags, blob.auth_data_usage, blob.parms, blob.pcr_info,
                         blob.pub_key);
}

Digest Key::modulus_digest() const { return crypto::sha1(blob.pub_key); }

bool Key::uses_pcrs() const {
  if (blob.pcr_info.empty()) return false;
  if (!blob.is_key12()) {
    auto info = blob.pcr_info.as<PcrInfo>(Rc::InvalidPcrInfo);
    return info.ok() && !info.value().selection.empty();
  }
  auto info = blob.pcr_info.as<PcrInfoLong>(Rc::InvalidPcrInfo);
  return info.ok() && (!info.value().release_selection.empty() || info.value().locality_at_release != kAllLocalities);
}

Result<> Key::check_pcrs(const Pcrs& pcrs, uint8_t locality) const {
  if (blob.pcr_info.empty()) return {};
  if (!blob.is_key12()) {
    PcrInfo info = TRY(blob.pcr_info.as<PcrInfo>(Rc::InvalidPcrInfo));
    if (info.selection.empty()) return {};
    return require(pcrs.composite_hash(info.selection) == info.digest_at_release, Rc::WrongPcrVal);
  }
  PcrInfoLong info = TRY(blob.pcr_info.as<PcrInfoLong>(Rc::InvalidPcrInfo));
  if (!info.release_selection.empty()) {
    TRY(require(pcrs.composite_hash(info.release_selection) == info.digest_at_release, Rc::WrongPcrVal));
  }
  return require(locality_in(info.locality_at_release, locality), Rc::BadLocality);
}

Result<uint32_t> KeySlots::load(Key key, uint32_t handle) {
  if (slots_.size() >= kSlots) return Rc::NoSpace;
  if (handle == 0 || slot(handle) != nullptr) {
    do {
      handle = next_handle_++;
      if (next_handle_ >= 0x02000000) next_handle_ = 0x01000000;
    } while (slot(handle) != nullptr);
  }
  slots_.push_back({.handle = handle, .key = std::move(key)});
  return handle;
}

const KeySlots::Slot* KeySlots::slot(uint32_t handle) const {
  auto found = std::ranges::find(slots_, handle, &Slot::handle);
  return found == slots_.end() ? nullptr : &*found;
}

KeySlots::Slot* KeySlots::slot(uint32_t handle) {
  auto found = std::ranges::find(slots_, handle, &Slot::handle);
  return found == slots_.end() ? nullptr : &*found;
}

Result<> KeySlots::evict(uint32_t handle) {
  auto found = std::ranges::find(slots_, handle, &Slot::handle);
  TRY(require(found != slots_.end(), Rc::InvalidKeyHandle));
  TRY(require(!found->owner_evict, Rc::KeyOwnerControl));
  slots_.erase(found);
  return {};
}

void KeySlots::clear_volatile() {
  std::erase_if(slots_, [](const Slot& slot) { return !slot.owner_evict; });
}

OwnerKeys KeySlots::owners() const {
  OwnerKeys owners;
  std::ranges::copy_if(slots_, std::back_inserter(owners.slots), &Slot::owner_evict);
  return owners;
}

namespace {

wire::Result<std::vector<KeySlot>> read_slots(wire::Reader& r) {
  uint8_t n = TRY(r.uint<uint8_t>());
  if (n > KeySlots::kSlots) return wire::Malformed{};
  std::vector<KeySlot> slots;
  for (unsigned i = 0; i < n; i++) slots.push_back(TRY(r.get<KeySlot>()));
  return slots;
}

void write_slots(wire::Writer& w, const std::vector<KeySlot>& slots) {
  w.uint(static_cast<uint8_t>(slots.size()));
  for (const KeySlot& slot : slots) w.put(slot);
}

}  // namespace

wire::Result<KeySlots> KeySlots::read_from(wire::Reader& r) {
  KeySlots slots;
  slots.next_handle_ = TRY(r.uint<uint32_t>());
  slots.slots_ = TRY(read_slots(r));
  return slots;
}

void KeySlots::write_to(wire::Writer& w) const {
  w.uint(next_handle_);
  write_slots(w, slots_);
}

wire::Result<OwnerKeys> OwnerKeys::read_from(wire::Reader& r) { return OwnerKeys{TRY(read_slots(r))}; }
void OwnerKeys::write_to(wire::Writer& w) const { write_slots(w, slots); }

}  // namespace tpm
