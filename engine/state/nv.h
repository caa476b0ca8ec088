// SPDX-License-Identifier: MIT
// NV storage: the defined areas, the DIR, the space they may take, and what is locked until the next
// TPM_Startup(ST_CLEAR).
#pragma once

#include <vector>

#include "engine/spec/nv_structures.h"

namespace tpm {

struct NvArea {
  NvDataPublic pub;  // read_stclear and write_stclear stay false here: NvLocks has them
  Secret auth;
  wire::SizedBytes data;

  // What an OSAP session for the area is bound to.
  Digest digest() const;
  // What the area takes of the quota.
  size_t stored_bytes() const;
};

struct Nv {
  // All areas together, with what is stored of each beside its data.
  static constexpr size_t kQuotaBytes = 16384;
  // TPM_MAX_NV_WRITE_NOOWNER (Part 2, 7.4).
  static constexpr uint32_t kMostWritesWithoutOwner = 64;

  Digest dir{};
  uint32_t writes_without_owner = 0;
  wire::Counted<NvArea> areas;

  const NvArea* find(uint32_t index) const;
  NvArea* find(uint32_t index);
  void remove(uint32_t index);
  // The data bytes that one more area could have.
  uint32_t available() const;
  bool holds(const NvArea& more) const;
  bool may_write_without_owner() const { return writes_without_owner < kMostWritesWithoutOwner; }

  // What an owner brought goes (Part 3, 6.2, action 12); of the maker's areas only when told (14.3, action 4.a).
  void clear_owner(bool makers_too);
};

// The DIR as the area that it stands for (Part 2, 19.1.1): read by everybody, written as a whole by the owner.
NvArea dir_area(const Digest& dir);

// bReadSTClear and bWriteSTClear of the areas that have one.
struct NvLocks {
  struct Lock {
    uint32_t index = 0;
    bool read = false;
    bool write = false;
  };
  wire::Counted<Lock> locks;

  Lock of(uint32_t index) const;
  void set(const Lock& lock);
};

}  // namespace tpm
