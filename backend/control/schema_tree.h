// SPDX-License-Identifier: MIT
// SchemaTree: the rows of xenstore-schema/vtpm.schema by the names on their paths.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "xenstore-schema/values.h"

namespace backend {

// What stands in a path in the place of a row's variables.
struct Variables {
  std::optional<xen::DomId> backend, domain;
  std::optional<unsigned> device;
  // The text with those in it that are known.
  std::string fill(std::string_view text) const;
};
Variables variables_in(const schema::Row& row, const xen::Path& path);

class SchemaTree {
 public:
  struct Branch {
    const schema::Row* row = nullptr;
    std::map<std::string, Branch, std::less<>> named;
    std::unique_ptr<Branch> numbered;  // a variable
    bool of_devices = false;           // whose numbers those are

    // Nothing when the schema has no such node.
    const Branch* child(std::string_view name) const;
  };
  SchemaTree();
  const Branch& root() const { return root_; }
  const Branch* at(const xen::Path& path) const;

 private:
  Branch root_;
};

}  // namespace backend
