// SPDX-License-Identifier: MIT
// PCR structures (Part 2, 8).
#pragma once

#include <bitset>

#include "engine/spec/rc.h"
#include "engine/spec/types.h"

namespace tpm {

inline constexpr size_t kPcrCount = 24;
// One bit for each locality (Part 2, 8.6).
inline constexpr uint8_t kAllLocalities = 0x1f;

// TPM_PCR_SELECTION: a size and a bit map, lowest PCR in the lowest bit of the first byte.
class PcrSelection {
 public:
  PcrSelection() = default;
  // Nothing selected; as wide as this TPM has PCRs, or as told.
  static PcrSelection none(uint16_t n_bytes = kPcrCount / 8) {
    PcrSelection s;
    s.size_ = n_bytes;
    return s;
  }

  // Sizes up to 2^16-1 can be written down; what is beyond our PCRs is there to be written again, and for valid() to
  // refuse.
  static wire::Result<PcrSelection> read_from(wire::Reader& r) {
    PcrSelection s;
    s.size_ = TRY(r.uint<uint16_t>());
    TRY(r.bytes(std::span(s.map_).first(s.own_bytes())));
    if (!s.valid()) s.beyond_ = TRY(r.owned(s.size_ - s.map_.size()));
    return s;
  }
  void write_to(wire::Writer& w) const {
    w.uint(size_);
    w.bytes(View(map_.data(), own_bytes()));
    w.bytes(beyond_);
  }

  // Part 2, 8.1: a selection this TPM can hold.
  bool valid() const { return size_ <= map_.size(); }
  bool selects(size_t pcr) const { return valid() && pcr / 8 < size_ && (map_[pcr / 8] >> (pcr % 8) & 1) != 0; }
  void select(size_t pcr) { map_[pcr / 8] = static_cast<uint8_t>(map_[pcr / 8] | 1u << (pcr % 8)); }
  bool empty() const {
    for (uint8_t byte : map_) {
      if (byte != 0) return false;
    }
    return true;
  }
  uint16_t size() const { return size_; }

 private:
  size_t own_bytes() const { return valid() ? size_ : map_.size(); }

  uint16_t size_ = 0;
  std::array<uint8_t, kPcrCount / 8> map_{};
  Bytes beyond_;
};

struct PcrComposite {
  PcrSelection select;
  wire::SizedBytes values;
};

struct PcrInfo {
  PcrSelection selection;
  Digest digest_at_release{};
  Digest digest_at_creation{};
};

struct PcrInfoLong {
  StructureTag tag = StructureTag::PcrInfoLong;
  uint8_t locality_at_creation = 0;
  uint8_t locality_at_release = kAllLocalities;
  PcrSelection creation_selection;
  PcrSelection release_selection;
  Digest digest_at_creation{};
  Digest digest_at_release{};
};

struct PcrInfoShort {
  PcrSelection selection;
  uint8_t locality_at_release = kAllLocalities;
  Digest digest_at_release{};
};

// Part 2, 8.6: at least one locality, and none beyond four.
inline bool valid_locality_selection(uint8_t selection) { return selection != 0 && (selection & ~kAllLocalities) == 0; }

}  // namespace tpm
