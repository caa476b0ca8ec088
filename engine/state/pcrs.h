// SPDX-License-Identifier: MIT
// The 24 PCRs, their PC Client attributes, and composite hashes over them.
#pragma once

#include "engine/spec/pcr_structures.h"

namespace tpm {

// Part 2, 8.9, with the PC Client TIS's values.
struct PcrAttributes {
  bool resettable = false;
  uint8_t reset_from = 0;                // localities, a bit each
  uint8_t extend_from = kAllLocalities;  // localities, a bit each
};
const PcrAttributes& pcr_attributes(size_t index);

struct Pcrs {
  std::array<Digest, kPcrCount> values{};
  bool dynamic_launch_seen = false;  // TPM_HASH_START has run since TPM_Startup: PCRs 17-22 reset to zero from then on

  // What Startup(ST_CLEAR) leaves.
  static Pcrs at_startup();

  void extend(size_t index, const Digest& event);
  Digest reset_value(size_t index) const;

  // TPM_COMPOSITE_HASH of the selected PCRs (Part 2, 5.4.1); of none when nothing is selected.
  Digest composite_hash(const PcrSelection& selection) const;
  PcrComposite composite(const PcrSelection& selection) const;
};

inline bool locality_in(uint8_t selection, uint8_t locality) { return locality <= 4 && (selection >> locality & 1) != 0; }

}  // namespace tpm
