// SPDX-License-Identifier: MIT
// What of XenStore is not as xenstore-schema/vtpm.schema says, and who may have written it. Only reads.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/xen/store.h"

namespace backend {

struct StoreFinding {
  std::string path;
  std::string_view kind;         // stray, missing, ill-typed, permissions, stale, inconsistent
  std::string what;              // in words
  std::string_view writers;      // by the schema, with commas between them; empty: nobody writes such a node
  std::vector<xen::DomId> able;  // whom the permissions allow to write it, its owner first; dom0 always may
  bool of_parent = false;        // those are its directory's: the node is not there

  std::string text() const;
};

struct StoreCheck {
  size_t devices = 0;
  std::vector<StoreFinding> findings;
};

// As dom0, everything; in another domain, what it serves.
xen::Result<StoreCheck> check_store(const xen::Store& store);

}  // namespace backend
