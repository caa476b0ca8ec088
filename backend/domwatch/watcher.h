// SPDX-License-Identifier: MIT
// Watcher: writes the proofs of every domain that has a vTPM in a driver domain, and keeps them true.
#pragma once

#include <map>
#include <set>

#include "lib/xen/proofs.h"

namespace backend {

class Watcher {
 public:
  Watcher(const xen::Store& store, const xen::Domains& domains) : store_(store), domains_(domains) {}
  // What an earlier one wrote is remembered, and removed of domains that are gone.
  xen::Result<> begin();
  // Looks at everything, and writes what has changed.
  xen::Result<> look();
  // A domain is suspended: nothing tells that it runs on.
  bool must_look_again() const { return suspended_; }

 private:
  struct Known {
    xen::Proof proof;
    bool looked = false;  // while it was suspended, which it may be still
    std::set<xen::DomId> readers;
    std::string written;
  };
  std::map<xen::DomId, std::set<xen::DomId>> backends() const;
  void look_at(xen::DomId domain, const xen::DomainState& state, Known& known);
  xen::Result<> write(xen::DomId domain, Known& known) const;

  const xen::Store& store_;
  const xen::Domains& domains_;
  std::map<xen::DomId, Known> known_;
  bool suspended_ = false;
};

}  // namespace backend
