// SPDX-License-Identifier: MIT
// The permissions of a XenStore node, and those that xenstore-schema/vtpm.schema wants it to have.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backend/control/schema_tree.h"

namespace backend {

// As xenstore-ls shows them.
std::string text_of(const std::vector<xen::Permission>& list);

class WantedPermissions {
 public:
  // `perms` as in the schema; nothing when there are none, or when it is not known whom its variables mean.
  static std::optional<WantedPermissions> of(std::string_view perms, const Variables& variables,
                                             const std::set<xen::DomId>& servers);
  // Only the owner may write, and all who have to may read. What dom0 may does not matter: it may everything.
  bool fit(const std::vector<xen::Permission>& list) const;
  const std::string& text() const { return text_; }

 private:
  xen::DomId owner_{};
  std::set<xen::DomId> readers_;
  bool anyone_reads_ = false;
  std::string text_;
};

}  // namespace backend
