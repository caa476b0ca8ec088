// SPDX-License-Identifier: MIT
// What a domain may do to XenStore's nodes: permissions, quotas, transactions, and the events its changes cause.
// Sockets and messages are xenstored.h's.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/loopback/tree.h"

namespace loopback {

// The limits of an unprivileged domain; those of the daemon that Xen ships.
struct Quota {
  unsigned nodes = 1000;
  unsigned watches = 128;
  unsigned transactions = 10;
  unsigned transaction_nodes = 1024;
  unsigned permissions = 5;
  size_t node_bytes = 2048;
};

struct StoreEvent {
  std::string path;
  Match match;
  std::vector<Permissions> readable_by_any_of;  // the node, its parent, the node before the change

  bool readable_by(DomId domain) const;
};

bool may_read(const Permissions& permissions, DomId domain);
bool may_write(const Permissions& permissions, DomId domain);

// The absolute form of a path, or EINVAL. Relative paths lie below the caller's own directory.
Result<std::string> canonical(std::string_view path, DomId caller, bool special_allowed);
std::string home_of(DomId domain);

class Store {
 public:
  // Whom a request comes from, and in which transaction it is meant; null for none.
  struct Caller {
    DomId domain;
    Transaction* transaction = nullptr;
    bool privileged() const { return domain == kDom0; }
  };
  using DomainExists = std::function<bool(DomId)>;
  using Sink = std::function<void(const StoreEvent&)>;

  Store(DomainExists domain_exists, Sink sink);

  Result<Node> get(Caller, const std::string& path);
  Result<Permissions> permissions(Caller, const std::string& path);
  Result<> write(Caller, const std::string& path, std::string value);
  Result<> make(Caller, const std::string& path);
  Result<> remove(Caller, const std::string& path);
  Result<> set_permissions(Caller, const std::string& path, Permissions permissions);
  // EAGAIN when something the transaction read or wrote has changed since it first saw it.
  Result<> commit(DomId caller, Transaction& transaction);

  // A domain has gone: what it owned goes with it, and its entries elsewhere lose their meaning.
  void forget_domain(DomId domain);

  // Whether a watch on a special path such as @releaseDomain may fire for this domain.
  bool may_watch_special(const std::string& path, DomId domain) const;
  // For the daemon's own nodes and for tests.
  const Tree& tree() const { return tree_; }

  Quota quota;

 private:
  enum class Need { Read, Write, Own };

  // The nodes as the caller sees them; a sight within a transaction is recorded.
  Result<const Node*> see(Caller caller, const std::string& path);
  Result<const Node*> lookup(Caller caller, const std::string& path, Need need);
  Result<> change(Caller caller, const std::string& path, std::optional<Node> node);
  Result<> create(Caller caller, const std::string& path, std::string value);
  Result<> remove_subtree(Caller caller, const std::string& path, const std::string& root);
  Errno hide(Caller caller, const std::string& path, Need need, Errno reason);
  void fire(Caller caller, const std::string& path, Match match, Permissions before = {});

  Tree tree_;
  DomainExists domain_exists_;
  Sink sink_;
};

}  // namespace loopback
