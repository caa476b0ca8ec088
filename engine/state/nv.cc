// SPDX-License-Identifier: MIT
#include "engine/state/nv.h"

#include <algorithm>

#include "engine/crypto/hash.h"

namespace tpm {

namespace {

size_t bytes_of(const NvArea& area) {
  wire::Writer count;
  count.put(area);
  return count.written();
}

size_t used(const Nv& nv) {
  size_t n = 0;
  for (const NvArea& area : nv.areas.items) n += area.stored_bytes();
  return n;
}

}  // namespace

Digest NvArea::digest() const { return crypto::sha1_of(pub.index, pub.permission, pub.data_bytes, auth); }

size_t NvArea::stored_bytes() const { return bytes_of(*this); }

const NvArea* Nv::find(uint32_t index) const {
  auto at = std::ranges::find_if(areas.items, [index](const NvArea& area) { return area.pub.index == index; });
  return at == areas.items.end() ? nullptr : &*at;
}

NvArea* Nv::find(uint32_t index) {
  auto at = std::ranges::find_if(areas.items, [index](const NvArea& area) { return area.pub.index == index; });
  return at == areas.items.end() ? nullptr : &*at;
}

void Nv::remove(uint32_t index) {
  std::erase_if(areas.items, [index](const NvArea& area) { return area.pub.index == index; });
}

uint32_t Nv::available() const {
  NvArea smallest{
      .pub = {.read_pcrs = {.selection = PcrSelection::none()}, .write_pcrs = {.selection = PcrSelection::none()}}};
  size_t taken = used(*this) + bytes_of(smallest);
  return taken < kQuotaBytes ? static_cast<uint32_t>(kQuotaBytes - taken) : 0;
}

bool Nv::holds(const NvArea& more) const { return used(*this) + more.stored_bytes() <= kQuotaBytes; }

void Nv::clear_owner(bool makers_too) {
  std::erase_if(areas.items, [makers_too](const NvArea& area) {
    bool owners = area.pub.has(kNvOwnerWrite | kNvOwnerRead);
    bool makers = (area.pub.index & kNvDefinedByMaker) != 0;
    return makers ? makers_too : owners;
  });
  writes_without_owner = 0;
}

NvArea dir_area(const Digest& dir) {
  return {.pub = {.index = kNvIndexDir,
                  .read_pcrs = {.selection = PcrSelection::none()},
                  .write_pcrs = {.selection = PcrSelection::none()},
                  .permission = {.attributes = kNvOwnerWrite | kNvWriteAll},
                  .data_bytes = sizeof(Digest)},
          .data = wire::SizedBytes(View(dir))};
}

NvLocks::Lock NvLocks::of(uint32_t index) const {
  auto at = std::ranges::find(locks.items, index, &Lock::index);
  return at == locks.items.end() ? Lock{.index = index} : *at;
}

void NvLocks::set(const Lock& lock) {
  std::erase_if(locks.items, [&lock](const Lock& old) { return old.index == lock.index; });
  if (lock.read || lock.write) locks.items.push_back(lock);
}

}  // namespace tpm
