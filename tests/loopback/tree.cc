// SPDX-License-Identifier: MIT
#include "tests/loopback/tree.h"

namespace loopback {

const Node* Tree::find(const std::string& path) const {
  auto at = nodes_.find(path);
  return at == nodes_.end() ? nullptr : &at->second;
}

void Tree::put(const std::string& path, Node node) {
  auto at = nodes_.find(path);
  if (at != nodes_.end()) owned_[at->second.owner()]--;
  owned_[node.owner()]++;
  node.generation = next_generation();
  nodes_.insert_or_assign(path, std::move(node));
}

void Tree::erase(const std::string& path) {
  auto at = nodes_.find(path);
  if (at == nodes_.end()) return;
  owned_[at->second.owner()]--;
  nodes_.erase(at);
}

unsigned Tree::owned_by(DomId domain) const {
  auto at = owned_.find(domain);
  return at == owned_.end() ? 0 : at->second;
}

void Tree::mark_stale(DomId domain) {
  for (auto& [path, node] : nodes_) {
    for (Permission& permission : node.permissions) permission.stale |= permission.domain == domain;
  }
}

Transaction::Access* Transaction::access(const Tree& tree, const std::string& path, size_t max_accessed) {
  if (auto at = by_path_.find(path); at != by_path_.end()) return at->second;
  if (accesses_.size() >= max_accessed) {
    failed = true;
    return nullptr;
  }
  Access& access = accesses_.emplace_back();
  access.path = path;
  if (const Node* node = tree.find(path)) {
    access.node = *node;
    access.found = node->generation;
    access.permissions_found = node->permissions;
  }
  by_path_[path] = &access;
  return &access;
}

bool Transaction::conflicts_with(const Tree& tree) const {
  for (const Access& access : accesses_) {
    const Node* now = tree.find(access.path);
    if (access.found != (now ? std::optional(now->generation) : std::nullopt)) return true;
  }
  return false;
}

std::string parent_of(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

std::string leaf_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace loopback
