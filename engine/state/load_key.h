// SPDX-License-Identifier: MIT
// Wrapped keys: what may be made, and taking one up under its parent.
#pragma once

#include "engine/state/tpm.h"

namespace tpm {

// Part 2, 5.1 and 5.10: the structure's version, and no flags but those that are defined. BadVersion or BadKeyProperty.
Result<> check_key_header(const KeyBlob& key);

// Part 2, 5.7.1 and 10.2: the header, and the mix of usage, schemes and size. BadVersion, BadKeyProperty, or NotFips.
Result<> check_key_properties(const KeyBlob& key, bool fips);

// The pcrInfo of a key to be made, completed with what its making must record (Part 3, 10.4, action 15).
// InvalidPcrInfo.
Result<wire::SizedBytes> pcr_info_at_creation(const KeyBlob& key, const Tpm& tpm, uint8_t locality);

// The key in `wrapped`, opened with its parent and checked as Part 3, 10.5 wants, actions 2-12; not yet in a slot.
Result<Key> load_wrapped(const Tpm& tpm, const Key& parent, const KeyBlob& wrapped);

}  // namespace tpm
