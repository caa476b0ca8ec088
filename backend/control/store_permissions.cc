// SPDX-License-Identifier: MIT
#include "backend/control/store_permissions.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

namespace backend {

namespace {
constexpr xen::DomId kDom0{0};

std::set<xen::DomId> meant(std::string_view name, const Variables& variables, const std::set<xen::DomId>& servers) {
  if (name == "0") return {kDom0};
  if (name == "$BACKEND") return servers;
  if (name == "$DOMAIN" && variables.domain) return {*variables.domain};
  return {};
}
}  // namespace

std::string text_of(const std::vector<xen::Permission>& list) {
  std::string text;
  for (const xen::Permission& p : list) {
    char letter = p.write ? (p.read ? 'b' : 'w') : (p.read ? 'r' : 'n');
    text += fmt::format("{}{}{}", text.empty() ? "" : ",", letter, static_cast<unsigned>(p.domain));
  }
  return text;
}

std::optional<WantedPermissions> WantedPermissions::of(std::string_view perms, const Variables& variables,
                                                       const std::set<xen::DomId>& servers) {
  if (perms.empty()) return std::nullopt;
  WantedPermissions wanted;
  std::vector<xen::Permission> list;
  while (!perms.empty()) {
    std::string_view one = perms.substr(0, perms.find(','));
    perms.remove_prefix(std::min(one.size() + 1, perms.size()));
    if (one == "r*") {
      wanted.anyone_reads_ = true;
      continue;
    }
    bool reads = one.front() == 'r';
    auto who = meant(one.substr(1), variables, servers);
    if (who.empty()) return std::nullopt;
    if (!reads) wanted.owner_ = *who.begin();
    for (xen::DomId domain : who) {
      if (reads) wanted.readers_.insert(domain);
      list.push_back({domain, reads, false});
    }
  }
  wanted.text_ = backend::text_of(list) + (wanted.anyone_reads_ ? " and readers" : "");
  return wanted;
}

bool WantedPermissions::fit(const std::vector<xen::Permission>& list) const {
  if (list.empty() || list.front().domain != owner_ || list.front().write) return false;
  if (list.front().read && !anyone_reads_) return false;
  std::set<xen::DomId> missing = readers_;
  for (const xen::Permission& p : std::span(list).subspan(1)) {
    missing.erase(p.read ? p.domain : owner_);
    if (p.domain == kDom0 || p.domain == owner_) continue;
    if (p.write || (p.read && !anyone_reads_ && !readers_.contains(p.domain))) return false;
  }
  missing.erase(kDom0);
  missing.erase(owner_);
  return missing.empty() || list.front().read;
}

}  // namespace backend
