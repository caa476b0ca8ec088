// SPDX-License-Identifier: MIT
// Proofs: what dom0 knows of a domain, written into XenStore by vtpm-domwatch for a backend that may not ask the
// hypervisor. Only dom0 writes there.
#pragma once

#include <string>
#include <string_view>

#include "lib/xen/domains.h"

namespace xen {

struct Proof {
  DomainState state;
  BootLook boot = BootLook::TooLate;  // before it ran
  bool looked_new = false;            // when it was suspended, once or more
  bool operator==(const Proof&) const = default;
};

// One word; nothing when it is none.
std::string_view word_of(BootLook look);
std::optional<BootLook> boot_look_in(std::string_view word);

// One node for a domain: "STATE BOOT SUSPENDED", each one word.
std::string text_of(const Proof& proof);
std::optional<Proof> proof_in(std::string_view text);

class Proofs : public DomainFacts {
 public:
  // `directory` holds a node for each domain, with its number for a name.
  static Result<Proofs> open(Path directory);
  Result<std::optional<DomainState>> look(DomId domain) const override;
  Result<std::map<DomId, DomainState>> look_at(const std::set<DomId>& domains) const override;
  Result<BootLook> boot_look(DomId domain) const override;
  Result<bool> looks_new(DomId domain) const override;
  bool looked_new(DomId domain) const override;
  bool come_late() const override { return true; }
  std::vector<Path> signs() const override { return {directory_}; }

 private:
  Proofs(Store store, Path directory) : store_(std::move(store)), directory_(std::move(directory)) {}
  Result<std::optional<Proof>> proof(DomId domain) const;

  Store store_;
  Path directory_;
};

}  // namespace xen
