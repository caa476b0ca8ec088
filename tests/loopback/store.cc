// SPDX-License-Identifier: MIT
#include "tests/loopback/store.h"

#include <algorithm>

#include "xen/io/xs_wire.h"

namespace loopback {
namespace {

// The daemon's book-keeping for a node and for each of its permissions counts towards the size limit too.
constexpr size_t kNodeOverhead = 24;
constexpr size_t kPermissionBytes = 8;

size_t size_of(const Node& node) {
  size_t bytes = kNodeOverhead + kPermissionBytes * node.permissions.size() + node.value.size();
  for (const std::string& child : node.children) bytes += child.size() + 1;
  return bytes;
}

const Permission& entry_for(const Permissions& permissions, DomId domain) {
  for (size_t i = 1; i < permissions.size(); i++) {
    if (!permissions[i].stale && permissions[i].domain == domain) return permissions[i];
  }
  return permissions.front();
}

bool owns(const Permissions& permissions, DomId domain) {
  return domain == kDom0 || (permissions.front().domain == domain && !permissions.front().stale);
}

bool valid_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '/' ||
         c == '_' || c == '@';
}

// Below a domain's own directory the limit counts from there, so that a relative path of the allowed length works.
size_t limited_length(const std::string& path) {
  constexpr std::string_view kHomes = "/local/domain/";
  if (!path.starts_with(kHomes)) return path.size();
  size_t slash = path.find('/', kHomes.size());
  return slash == std::string::npos ? path.size() : path.size() - slash - 1;
}

}  // namespace

bool may_read(const Permissions& permissions, DomId domain) {
  return owns(permissions, domain) || entry_for(permissions, domain).read;
}
bool may_write(const Permissions& permissions, DomId domain) {
  return owns(permissions, domain) || entry_for(permissions, domain).write;
}

bool StoreEvent::readable_by(DomId domain) const {
  return std::any_of(readable_by_any_of.begin(), readable_by_any_of.end(),
                     [domain](const Permissions& permissions) { return may_read(permissions, domain); });
}

std::string home_of(DomId domain) { return "/local/domain/" + std::to_string(raw(domain)); }

Result<std::string> canonical(std::string_view path, DomId caller, bool special_allowed) {
  TRY(require(std::all_of(path.begin(), path.end(), valid_character), EINVAL));
  bool special = path.starts_with('@');
  TRY(require(!special || special_allowed, EINVAL));
  std::string full = path.starts_with('/') || special ? std::string(path) : home_of(caller) + "/" + std::string(path);
  bool well_formed = (full == "/" || !full.ends_with('/')) && full.find("//") == std::string::npos;
  TRY(require(well_formed && full.size() <= XENSTORE_ABS_PATH_MAX, EINVAL));
  TRY(require(caller == kDom0 || limited_length(full) <= XENSTORE_REL_PATH_MAX, EINVAL));
  return full;
}

Store::Store(DomainExists domain_exists, Sink sink) : domain_exists_(std::move(domain_exists)), sink_(std::move(sink)) {
  Permissions dom0_only = {{.domain = kDom0}};
  tree_.put("/", {.value = "", .permissions = dom0_only, .children = {"tool"}});
  tree_.put("/tool", {.value = "", .permissions = dom0_only, .children = {"xenstored"}});
  tree_.put("/tool/xenstored", {.value = "", .permissions = dom0_only, .children = {}});
  tree_.put("@introduceDomain", {.value = "", .permissions = dom0_only, .children = {}});
  tree_.put("@releaseDomain", {.value = "", .permissions = dom0_only, .children = {}});
}

Result<const Node*> Store::see(Caller caller, const std::string& path) {
  const Node* node = nullptr;
  if (caller.transaction == nullptr) {
    node = tree_.find(path);
  } else {
    size_t limit = caller.privileged() ? SIZE_MAX : quota.transaction_nodes;
    Transaction::Access* access = caller.transaction->access(tree_, path, limit);
    if (access == nullptr) return Errno{ENOSPC};
    if (access->node) node = &*access->node;
  }
  if (node == nullptr) return Errno{ENOENT};
  return node;
}

// A domain learns why something failed only where it could have looked for itself.
Errno Store::hide(Caller caller, const std::string& path, Need need, Errno reason) {
  if (reason.value == ENOMEM || reason.value == ENOSPC) return reason;
  std::string above = path;
  do {
    above = parent_of(above);
    Result<const Node*> node = see(caller, above);
    if (!node.ok()) {
      if (node.error().value != ENOENT) return node.error();
      continue;
    }
    const Permissions& permissions = node.value()->permissions;
    bool visible = need == Need::Read ? may_read(permissions, caller.domain) : may_write(permissions, caller.domain);
    return visible ? reason : Errno{EACCES};
  } while (above != "/");
  return Errno{EACCES};
}

Result<const Node*> Store::lookup(Caller caller, const std::string& path, Need need) {
  Result<const Node*> node = see(caller, path);
  if (!node.ok()) return hide(caller, path, need, node.error());
  const Permissions& permissions = node.value()->permissions;
  bool allowed = need == Need::Read    ? may_read(permissions, caller.domain)
                 : need == Need::Write ? may_write(permissions, caller.domain)
                                       : owns(permissions, caller.domain);
  if (!allowed) return Errno{EACCES};
  return node;
}

Result<Node> Store::get(Caller caller, const std::string& path) { return *TRY(lookup(caller, path, Need::Read)); }

Result<Permissions> Store::permissions(Caller caller, const std::string& path) {
  return TRY(lookup(caller, path, Need::Read))->permissions;
}

Result<> Store::change(Caller caller, const std::string& path, std::optional<Node> node) {
  if (node && !caller.privileged() && size_of(*node) >= quota.node_bytes) {
    if (caller.transaction != nullptr) caller.transaction->failed = true;
    return Errno{ENOSPC};
  }
  if (caller.transaction == nullptr) {
    if (node) {
      tree_.put(path, std::move(*node));
    } else {
      tree_.erase(path);
    }
    return {};
  }
  Transaction::Access* access = caller.transaction->access(tree_, path, SIZE_MAX);
  if (access->node) caller.transaction->owned_change[access->node->owner()]--;
  if (node) caller.transaction->owned_change[node->owner()]++;
  access->node = std::move(node);
  access->modified = true;
  return {};
}

// Makes the node and whatever is missing above it. New nodes take the permissions of the nearest ancestor, but an
// unprivileged domain owns what it makes.
Result<> Store::create(Caller caller, const std::string& path, std::string value) {
  std::vector<std::string> missing;
  std::string above = path;
  const Node* ancestor = nullptr;
  while (ancestor == nullptr) {
    missing.push_back(above);
    above = parent_of(above);
    Result<const Node*> seen = see(caller, above);
    if (seen.ok()) {
      ancestor = seen.value();
    } else if (seen.error().value != ENOENT || above == "/") {
      return seen.error();
    }
  }
  Node parent = *ancestor;
  Permissions inherited = parent.permissions;
  if (!caller.privileged()) inherited.front() = {caller.domain, inherited.front().read, inherited.front().write};
  DomId owner = inherited.front().domain;
  int room = static_cast<int>(quota.nodes) - static_cast<int>(tree_.owned_by(owner));
  if (caller.transaction != nullptr) room -= caller.transaction->owned_change[owner];
  TRY(require(caller.privileged() || static_cast<int>(missing.size()) <= room, ENOSPC));

  parent.children.push_back(leaf_of(missing.back()));
  Node newest = {.value = std::move(value), .permissions = inherited, .children = {}};
  TRY(require(caller.privileged() || (size_of(newest) < quota.node_bytes && size_of(parent) < quota.node_bytes),
              ENOSPC));
  TRY(change(caller, above, std::move(parent)));
  while (missing.size() > 1) {
    std::string made = missing.back();
    missing.pop_back();
    TRY(change(caller, made, Node{.value = "", .permissions = inherited, .children = {leaf_of(missing.back())}}));
  }
  return change(caller, path, std::move(newest));
}

Result<> Store::write(Caller caller, const std::string& path, std::string value) {
  Result<const Node*> node = lookup(caller, path, Need::Write);
  if (node.ok()) {
    Node changed = *node.value();
    changed.value = std::move(value);
    TRY(change(caller, path, std::move(changed)));
  } else if (node.error().value == ENOENT) {
    TRY(create(caller, path, std::move(value)));
  } else {
    return node.error();
  }
  fire(caller, path, Match::Subtree);
  return {};
}

Result<> Store::make(Caller caller, const std::string& path) {
  Result<const Node*> node = lookup(caller, path, Need::Write);
  if (node.ok()) return {};
  if (node.error().value != ENOENT) return node.error();
  TRY(create(caller, path, ""));
  fire(caller, path, Match::Subtree);
  return {};
}

Result<> Store::remove_subtree(Caller caller, const std::string& path, const std::string& root) {
  std::vector<std::string> children = TRY(see(caller, path))->children;
  std::string prefix = path == "/" ? "/" : path + "/";
  for (const std::string& child : children) TRY(remove_subtree(caller, prefix + child, root));
  // Fired while the permissions can still be seen; whoever is told reads only after this request is done.
  fire(caller, path, path == root ? Match::Subtree : Match::Exact);
  return change(caller, path, std::nullopt);
}

Result<> Store::remove(Caller caller, const std::string& path) {
  Result<const Node*> node = lookup(caller, path, Need::Write);
  if (!node.ok()) {
    if (node.error().value != ENOENT) return node.error();
    TRY(see(caller, parent_of(path)));
    return {};
  }
  TRY(require(path != "/", EINVAL));
  Node parent = *TRY(see(caller, parent_of(path)));
  TRY(remove_subtree(caller, path, path));
  std::erase(parent.children, leaf_of(path));
  return change(caller, parent_of(path), std::move(parent));
}

Result<> Store::set_permissions(Caller caller, const std::string& path, Permissions permissions) {
  TRY(require(!permissions.empty(), EINVAL));
  TRY(require(caller.privileged() || permissions.size() <= quota.permissions, ENOSPC));
  for (Permission& permission : permissions) permission.stale = !domain_exists_(permission.domain);
  TRY(require(!permissions.front().stale, ENOENT));
  Node node = *TRY(lookup(caller, path, Need::Own));
  TRY(require(caller.privileged() || permissions.front().domain == node.owner(), EPERM));
  Permissions before = std::exchange(node.permissions, std::move(permissions));
  TRY(change(caller, path, std::move(node)));
  fire(caller, path, Match::Subtree, std::move(before));
  return {};
}

void Store::fire(Caller caller, const std::string& path, Match match, Permissions before) {
  if (caller.transaction != nullptr) {
    Transaction::Access* access = caller.transaction->access(tree_, path, SIZE_MAX);
    if (access->event != Match::Subtree) access->event = match;
    return;
  }
  StoreEvent event{.path = path, .match = match, .readable_by_any_of = {}};
  if (!before.empty()) event.readable_by_any_of.push_back(std::move(before));
  if (const Node* node = tree_.find(path)) {
    event.readable_by_any_of.push_back(node->permissions);
    if (const Node* parent = tree_.find(parent_of(path))) event.readable_by_any_of.push_back(parent->permissions);
  }
  sink_(event);
}

Result<> Store::commit(DomId caller, Transaction& transaction) {
  TRY(require(!transaction.failed, ENOMEM));
  if (caller != kDom0) {
    for (auto [owner, change] : transaction.owned_change) {
      int owned = static_cast<int>(tree_.owned_by(owner)) + change;
      TRY(require(change <= 0 || owner == kDom0 || owned <= static_cast<int>(quota.nodes), ENOSPC));
    }
  }
  TRY(require(!transaction.conflicts_with(tree_), EAGAIN));
  for (Transaction::Access& access : transaction.accesses()) {
    if (!access.modified) continue;
    if (access.node) {
      tree_.put(access.path, *access.node);
    } else {
      tree_.erase(access.path);
    }
    if (access.event) fire({.domain = caller}, access.path, *access.event, access.permissions_found);
  }
  return {};
}

void Store::forget_domain(DomId domain) {
  std::vector<std::string> owned;
  for (const auto& [path, node] : tree_.nodes()) {
    if (node.owner() == domain && path.starts_with('/')) owned.push_back(path);
  }
  std::sort(owned.begin(), owned.end());  // parents before their children, which go with them
  for (const std::string& path : owned) {
    if (tree_.find(path) == nullptr) continue;
    Result<> removed = remove({.domain = kDom0}, path);
    static_cast<void>(removed.ok());  // the root is dom0's, so nothing can stop this
  }
  tree_.mark_stale(domain);
}

bool Store::may_watch_special(const std::string& path, DomId domain) const {
  const Node* node = tree_.find(path);
  return node != nullptr && may_read(node->permissions, domain);
}

}  // namespace loopback
