// SPDX-License-Identifier: MIT
// HandleTable<T, N, first>: N slots for resources that callers name by a handle, T::handle; 0 means a free slot.
// Handles are counted up from `first`, so that one that has ended is not soon another's.
#pragma once

#include <algorithm>
#include <array>

#include "engine/spec/rc.h"
#include "lib/wire/writer.h"

namespace tpm {

template <class T, size_t N, uint32_t first>
class HandleTable {
 public:
  static constexpr size_t kSlots = N;

  // A new resource with its handle set, to `wanted` when that is a free handle of this table. Resources when every slot
  // is taken.
  Result<T*> open(uint32_t wanted = 0) {
    auto free = std::ranges::find(slots_, 0u, &T::handle);
    if (free == slots_.end()) return Rc::Resources;
    free->handle = is_free(wanted) ? wanted : next_free();
    return &*free;
  }
  const T* find(uint32_t handle) const { return handle == 0 ? nullptr : at(slots_, handle); }
  T* find(uint32_t handle) { return handle == 0 ? nullptr : at(slots_, handle); }
  bool is_free(uint32_t handle) const { return handle / kRange == first / kRange && find(handle) == nullptr; }
  bool end(uint32_t handle) {
    T* resource = find(handle);
    if (resource == nullptr) return false;
    *resource = T{};
    return true;
  }
  template <class F>
  void end_if(F condition) {
    for (T& resource : slots_) {
      if (resource.handle != 0 && condition(resource)) resource = T{};
    }
  }
  void end_all() { slots_.fill(T{}); }
  size_t free_slots() const { return static_cast<size_t>(std::ranges::count(slots_, 0u, &T::handle)); }
  const std::array<T, N>& all() const { return slots_; }

  void write_to(wire::Writer& w) const {
    w.uint(next_handle_);
    for (const T& resource : slots_) {
      w.uint(resource.handle);
      if (resource.handle != 0) w.put(resource);
    }
  }

 protected:
  wire::Result<> read_slots(wire::Reader& r) {
    next_handle_ = TRY(r.uint<uint32_t>());
    for (T& resource : slots_) {
      uint32_t handle = TRY(r.uint<uint32_t>());
      if (handle == 0) continue;
      resource = TRY(r.get<T>());
      if (resource.handle != handle) return wire::Malformed{};
    }
    return {};
  }

 private:
  static constexpr uint32_t kRange = 0x01000000;

  template <class Slots>
  static auto at(Slots& slots, uint32_t handle) -> decltype(&slots[0]) {
    auto found = std::ranges::find(slots, handle, &T::handle);
    return found == slots.end() ? nullptr : &*found;
  }
  uint32_t next_free() {
    uint32_t handle = 0;
    do {
      handle = next_handle_++;
      if (next_handle_ >= first + kRange) next_handle_ = first;
    } while (find(handle) != nullptr);
    return handle;
  }

  std::array<T, N> slots_{};
  uint32_t next_handle_ = first;
};

}  // namespace tpm
