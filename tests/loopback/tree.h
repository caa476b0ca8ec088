// SPDX-License-Identifier: MIT
// The nodes of XenStore and one transaction's sight of them. Permissions and quotas are store.h's.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/loopback/types.h"

namespace loopback {

struct Permission {
  DomId domain;
  bool read = false;
  bool write = false;
  bool stale = false;  // names a domain that did not exist when it was set, or has gone since
};
using Permissions = std::vector<Permission>;  // the first names the owner and says what everybody else may

struct Node {
  std::string value;
  Permissions permissions;
  std::vector<std::string> children;  // in the order of their creation, as listings show them
  uint64_t generation = 0;

  DomId owner() const { return permissions.front().domain; }
};

// Which watches an event reaches: those on the very node, or those on its ancestors too.
enum class Match { Exact, Subtree };

class Tree {
 public:
  const Node* find(const std::string& path) const;
  void put(const std::string& path, Node node);
  void erase(const std::string& path);

  unsigned owned_by(DomId domain) const;
  uint64_t next_generation() { return ++generation_; }
  const std::unordered_map<std::string, Node>& nodes() const { return nodes_; }

  // Permission entries of a domain that has gone stop counting, so that a later domain of that number inherits none.
  void mark_stale(DomId domain);

 private:
  std::unordered_map<std::string, Node> nodes_;
  std::map<DomId, unsigned> owned_;
  uint64_t generation_ = 0;
};

// What a transaction has read and written. Everything it touched must still be as it found it when it commits.
class Transaction {
 public:
  struct Access {
    std::string path;
    std::optional<Node> node;       // as the transaction sees it now
    std::optional<uint64_t> found;  // generation at first sight; nothing when there was no node
    Permissions permissions_found;
    bool modified = false;
    std::optional<Match> event;
  };

  // First sight copies the node in; nothing when the transaction has touched too many nodes.
  Access* access(const Tree& tree, const std::string& path, size_t max_accessed);
  std::deque<Access>& accesses() { return accesses_; }
  bool conflicts_with(const Tree& tree) const;

  bool failed = false;
  std::map<DomId, int> owned_change;

 private:
  std::deque<Access> accesses_;  // in the order of first sight: watch events follow it
  std::unordered_map<std::string, Access*> by_path_;
};

std::string parent_of(const std::string& path);
std::string leaf_of(const std::string& path);

}  // namespace loopback
