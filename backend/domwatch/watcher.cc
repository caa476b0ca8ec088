// SPDX-License-Identifier: MIT
#include "backend/domwatch/watcher.h"

#include "lib/base/log.h"
#include "xenstore-schema/vtpm.h"

namespace backend {

using xen::DomId;
using xen::ShutdownReason;

namespace {

constexpr DomId kDom0{0};

// A directory that is not there is empty.
std::vector<std::string> list(const xen::Store& store, const xen::Path& path) {
  auto names = store.list(path);
  return names.ok() ? names.value() : std::vector<std::string>();
}

}  // namespace

xen::Result<> Watcher::begin() {
  auto alive = TRY(domains_.look_at({}));
  for (const std::string& name : list(store_, schema::proofs::dir())) {
    auto domain = schema::value_of<DomId>(name);
    if (!domain) continue;
    auto proof = schema::read(store_, schema::proof::node(*domain));
    if (proof.ok() && alive.contains(*domain)) {
      known_[*domain].proof = proof.value();
    } else {
      TRY(store_.remove(schema::proof::dir(*domain)));
    }
  }
  return look();
}

// Which domains serve the vTPMs of which: libxl's own record, which no guest can write.
std::map<DomId, std::set<DomId>> Watcher::backends() const {
  std::map<DomId, std::set<DomId>> found;
  for (const std::string& name : list(store_, schema::records::dir())) {
    auto domain = schema::value_of<DomId>(name);
    if (!domain) continue;
    for (const std::string& name_of_device : list(store_, schema::records_of::dir(*domain))) {
      auto number = schema::value_of<unsigned>(name_of_device);
      if (!number) continue;
      auto path = schema::read(store_, schema::record::backend(schema::record::dir(*domain, *number)));
      auto parts = path.ok() ? path.value().below(schema::homes::dir()) : std::nullopt;
      auto backend = parts && !parts->empty() ? schema::value_of<DomId>(parts->front()) : std::nullopt;
      if (backend && *backend != kDom0) found[*domain].insert(*backend);
    }
  }
  return found;
}

xen::Result<> Watcher::look() {
  auto alive = TRY(domains_.look_at({}));
  auto wanted = backends();
  bool kept = !known_.empty();
  suspended_ = false;
  for (auto at = known_.begin(); at != known_.end();) {
    auto next = std::next(at);
    if (!alive.contains(at->first)) {
      TRY(store_.remove(schema::proof::dir(at->first)));
      known_.erase(at);
    } else if (!wanted.contains(at->first)) {
      wanted[at->first] = at->second.readers;  // its worker may not have ended yet
    }
    at = next;
  }
  for (const auto& [domain, readers] : wanted) {
    auto state = alive.find(domain);
    if (state == alive.end()) continue;
    auto [at, first_seen] = known_.try_emplace(domain);
    if (first_seen) {
      auto boot = domains_.boot_look(domain);
      if (boot.ok()) at->second.proof.boot = boot.value();
    }
    if (at->second.readers != readers) at->second.written.clear();
    at->second.readers = readers;
    look_at(domain, state->second, at->second);
    TRY(write(domain, at->second));
  }
  if (kept && known_.empty()) return store_.remove(schema::tool::dir());
  return {};
}

void Watcher::look_at(DomId domain, const xen::DomainState& state, Known& known) {
  known.proof.state = {.dying = state.dying, .shutdown = state.shutdown};
  if (state.shutdown != ShutdownReason::Suspend) {
    known.looked = false;
    return;
  }
  suspended_ = true;
  auto looks_new = domains_.looks_new(domain);
  // One that is being destroyed cannot be looked at any more: unseen, it may have looked like anything.
  if (looks_new.ok() ? looks_new.value() : !known.looked) known.proof.looked_new = true;
  known.looked = true;
}

// Visible only together with who may see it.
xen::Result<> Watcher::write(DomId domain, Known& known) const {
  std::string text = xen::text_of(known.proof);
  if (text == known.written) return {};
  std::vector<DomId> readers(known.readers.begin(), known.readers.end());
  auto written = store_.transact([&](xen::Transaction& t) -> xen::Result<> {
    const auto node = schema::proof::node(domain);
    TRY(schema::write(t, node, known.proof));
    return t.share(node.path, kDom0, readers);
  });
  if (!written.ok()) return written;
  base::log(base::Level::Info, "domain " + std::to_string(static_cast<unsigned>(domain)) + ": " + text);
  known.written = text;
  return {};
}

}  // namespace backend
