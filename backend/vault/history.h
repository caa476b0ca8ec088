// SPDX-License-Identifier: MIT
// History: what happened to an instance in its life, for people. The vault writes it with what it tells of.
#pragma once

#include <optional>
#include <string>

#include "backend/vault/seal.h"
#include "lib/wire/sized.h"

namespace vault {

enum class Happened : uint8_t {
  Created = 1,
  Endorsed = 2,      // what is known of its endorsement key changed
  Exported = 3,      // locked, on its way to another host
  Kept = 4,          // that was aborted
  MovedOut = 5,      // given up for another host
  Arrived = 6,       // a copy from another host, which might not run yet
  Came = 7,          // it ran here from then on
  Discarded = 8,     // the copy that had arrived
  Rekeyed = 9,       // only the last one stands
  Quarantined = 10,  // by an administrator, or as its worker died again and again
  Lifted = 11,       // the quarantine ended
  Deleted = 12,
  Imported = 13,  // from another program's state
  Reverted = 14,  // put back to a backup
  Restored = 15,  // brought back from another host that is lost: from its backup, or a copy that had arrived
  ClonedTo = 16,
  ClonedFrom = 17,
  Lost = 18,  // what the history said before was damaged
};

struct Deed {
  uint64_t time = 0;  // seconds since 1970
  Happened what{};
  uint64_t number = 0;  // of a move: which of the instance's, over all hosts; of a backup or a clone: the state's epoch
  wire::SizedBytes text;  // text
};
// Now.
Deed deed(Happened what, const std::string& text = {}, uint64_t number = 0);

struct History {
  uint8_t version = 1;
  uint64_t dropped = 0;  // between the first one and the second
  wire::Counted<Deed> deeds;

  // The first one, which says where the instance is from, is never dropped.
  static constexpr size_t kMost = 128;
  static constexpr size_t kLongestText = 512;
  void add(Deed deed);
  // How an instance began that was not there before: before all others, as what it was made of may have a past.
  void start_with(Deed deed);
  // The last of these; null: there is none.
  const Deed* last(std::initializer_list<Happened> of) const;

  base::Bytes kept() const { return wire::encode(*this); }
  // Nothing for what is none, or of a later version.
  static std::optional<History> from_kept(base::View kept);
};

}  // namespace vault
