// SPDX-License-Identifier: MIT
#include "backend/control/schema_tree.h"

#include <array>
#include <vector>

#include "xenstore-schema/vtpm.h"

namespace backend {

namespace {

std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    path.remove_prefix(1);
    parts.push_back(path.substr(0, path.find('/')));
    path.remove_prefix(parts.back().size());
  }
  return parts;
}

}  // namespace

Variables variables_in(const schema::Row& row, const xen::Path& path) {
  Variables found;
  auto names = parts_of(row.path), parts = parts_of(path.text());
  for (size_t i = 0; i < std::min(names.size(), parts.size()); i++) {
    if (names[i] == "$BACKEND") found.backend = schema::value_of<xen::DomId>(parts[i]);
    if (names[i] == "$DOMAIN") found.domain = schema::value_of<xen::DomId>(parts[i]);
    if (names[i] == "$DEVICE") found.device = schema::value_of<unsigned>(parts[i]);
  }
  return found;
}

std::string Variables::fill(std::string_view text) const {
  std::string filled(text);
  auto put = [&](std::string_view name, const auto& value) {
    if (!value) return;
    for (size_t at = 0; (at = filled.find(name, at)) != std::string::npos;)
      filled.replace(at, name.size(), schema::text_of(*value));
  };
  put("$BACKEND", backend);
  put("$DOMAIN", domain);
  put("$DEVICE", device);
  return filled;
}

const SchemaTree::Branch* SchemaTree::Branch::child(std::string_view name) const {
  auto found = named.find(name);
  if (found != named.end()) return &found->second;
  bool number =
      of_devices ? schema::value_of<unsigned>(name).has_value() : schema::value_of<xen::DomId>(name).has_value();
  return number ? numbered.get() : nullptr;
}

SchemaTree::SchemaTree() {
  for (const schema::Row& row : schema::kRows) {
    Branch* at = &root_;
    for (std::string_view part : parts_of(row.path)) {
      if (!part.starts_with('$')) {
        at = &at->named[std::string(part)];
        continue;
      }
      if (!at->numbered) at->numbered = std::make_unique<Branch>();
      at->of_devices = part == "$DEVICE";
      at = at->numbered.get();
    }
    // The same place by two names: the first row tells.
    if (at->row == nullptr) at->row = &row;
  }
}

const SchemaTree::Branch* SchemaTree::at(const xen::Path& path) const {
  const Branch* at = &root_;
  for (std::string_view part : parts_of(path.text())) {
    if (at != nullptr) at = at->child(part);
  }
  return at;
}

}  // namespace backend
