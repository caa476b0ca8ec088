// SPDX-License-Identifier: MIT
#include "backend/control/check_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <thread>

#include "backend/control/store_permissions.h"
#include "lib/base/log.h"
#include "lib/xen/proofs.h"
#include "xenstore-schema/vtpm.h"

namespace backend {

namespace {

using schema::Row;
using xen::DomId;
using xen::Path;
using Names = std::vector<std::string>;

constexpr DomId kDom0{0};
constexpr std::string_view kStray = "stray", kMissing = "missing", kIllTyped = "ill-typed",
                           kPermissions = "permissions", kStale = "stale", kInconsistent = "inconsistent";

unsigned number(DomId domain) { return static_cast<unsigned>(domain); }
std::string quoted(std::string_view untrusted) { return fmt::format("'{}'", base::Printable(untrusted).view()); }

// A device by its numbers, and the domains that are known to serve it.
struct Id {
  DomId domain{};
  unsigned device = 0;
  auto operator<=>(const Id&) const = default;
};

class Checker {
 public:
  Checker(const xen::Store& store, const SchemaTree& tree) : store_(store), tree_(tree) {}

  xen::Result<StoreCheck> run() {
    own_ = TRY(schema::read(store_, schema::home::own_domid()));
    TRY(find_devices());
    if (own_ == kDom0) {
      TRY(visit(tree_.root(), Path("/"), {}));
    } else {
      const Path home = schema::home::dir(own_);
      TRY(visit(*tree_.at(home), home, {}));
    }
    for (const auto& [id, servers] : servers_) {
      for (DomId server : servers) TRY(compare(id, server));
    }
    for (const auto& [id, server] : claims_) TRY(compare(id, server));
    check_.devices = servers_.size();
    return std::move(check_);
  }

 private:
  // What is known on the way down: the directory that the nodes belong to, its state, and its permissions.
  struct Way {
    std::string state;
    std::optional<WantedPermissions> wanted;
  };

  // ---- reading: what another domain does not show us is not there for us ----

  bool hidden(const xen::SysError& error) const {
    return error.number == ENOENT || (error.number == EACCES && own_ != kDom0);
  }
  xen::Result<Names> list(const Path& path) const {
    auto names = store_.list(path);
    if (!names.ok() && hidden(names.error())) return Names();
    return names;
  }
  // Nothing when there is no node; one with a NUL in it when it is no text.
  xen::Result<std::optional<std::string>> read(const Path& path) const {
    auto text = store_.read(path);
    if (text.ok()) return std::optional(std::move(text).take());
    if (text.error().number == EBADMSG) return std::optional(std::string(1, '\0'));
    if (hidden(text.error())) return std::optional<std::string>();
    return text.error();
  }
  std::vector<DomId> able(const Path& path) const {
    std::vector<DomId> who;
    auto list = store_.permissions(path);
    for (const xen::Permission& p : list.ok() ? list.value() : std::vector<xen::Permission>()) {
      if (who.empty() || p.write) who.push_back(p.domain);
    }
    return who;
  }
  // The domains that a directory of domains names.
  template <class T>
  xen::Result<std::vector<T>> numbers(const Path& path) const {
    std::vector<T> all;
    for (const std::string& name : TRY(list(path))) {
      if (auto one = schema::value_of<T>(name)) all.push_back(*one);
    }
    return all;
  }
  bool gone(DomId domain) const {
    if (domain == kDom0 || domain == own_) return false;
    auto there = store_.introduced(domain);
    return there.ok() && !there.value();
  }

  // ---- findings ----

  void find(const Path& path, std::string_view kind, std::string what, std::string_view writers) {
    check_.findings.push_back({path.text(), kind, std::move(what), writers, able(path)});
  }
  void find_missing(const Path& path, std::string what, std::string_view writers) {
    std::vector<DomId> who;
    // Whoever may make it: its directory may be missing, too.
    for (Path above = path.parent(); who.empty() && !above.text().empty(); above = above.parent()) who = able(above);
    check_.findings.push_back({path.text(), kMissing, std::move(what), writers, who, true});
  }

  // ---- who serves whom: as the toolstack's record and the backends' directories say ----

  xen::Result<> find_devices() {
    std::vector<DomId> homes = {own_};
    if (own_ == kDom0) homes = TRY(numbers<DomId>(schema::homes::dir()));
    for (DomId server : homes) {
      for (DomId domain : TRY(numbers<DomId>(schema::backends::dir(server)))) {
        for (unsigned device : TRY(numbers<unsigned>(schema::backends_of::dir(server, domain))))
          servers_[{domain, device}].insert(server);
      }
      for (DomId domain : TRY(numbers<DomId>(schema::errors::dir(server)))) {
        for (unsigned device : TRY(numbers<unsigned>(schema::errors_of::dir(server, domain))))
          servers_[{domain, device}].insert(server);
      }
    }
    if (own_ != kDom0) return {};
    for (DomId domain : TRY(numbers<DomId>(schema::records::dir()))) {
      for (unsigned device : TRY(numbers<unsigned>(schema::records_of::dir(domain)))) {
        auto path = schema::read(store_, schema::record::backend(schema::record::dir(domain, device)));
        if (path.ok()) add_server({domain, device}, path.value());
      }
    }
    for (DomId domain : homes) {
      for (unsigned device : TRY(numbers<unsigned>(schema::frontends::dir(domain)))) {
        auto server = schema::read(store_, schema::frontend::backend_id(schema::frontend::dir(domain, device)));
        if (server.ok() && !servers_.contains({domain, device})) claims_[{domain, device}] = server.value();
      }
    }
    return {};
  }
  void add_server(Id id, const Path& backend) {
    auto parts = backend.below(schema::homes::dir());
    auto server = parts && !parts->empty() ? schema::value_of<DomId>(parts->front()) : std::nullopt;
    if (server && schema::backend::dir(*server, id.domain, id.device) == backend) servers_[id].insert(*server);
  }

  // Those that may stand for $BACKEND where the path does not tell.
  std::set<DomId> servers_of(const Variables& variables) const {
    if (variables.backend) return {*variables.backend};
    std::set<DomId> found;
    for (const auto& [id, servers] : servers_) {
      bool meant = variables.domain == id.domain && (!variables.device || *variables.device == id.device);
      for (DomId server : meant ? servers : std::set<DomId>()) {
        // A proof is for those who may not ask the hypervisor.
        if (variables.device || server != kDom0) found.insert(server);
      }
    }
    return found;
  }
  Variables complete(Variables variables) const {
    auto servers = servers_of(variables);
    if (!variables.backend && servers.size() == 1) variables.backend = *servers.begin();
    return variables;
  }

  // ---- the way down ----

  xen::Result<> visit(const SchemaTree::Branch& branch, const Path& path, Way way) {
    if (branch.row != nullptr && !branch.row->others) {
      if (TRY(look_at(*branch.row, path, way))) return {};
    }
    Names names = TRY(list(path));
    if (names.empty() && branch.row != nullptr && branch.of_devices && branch.row->as != "frontends")
      find(path, kStale, "holds no device", branch.row->by);
    for (const std::string& name : names) {
      const auto* child = branch.child(name);
      auto below = Path::parse(path == Path("/") ? "/" + name : path.text() + "/" + name);
      if (child != nullptr && below) {
        TRY(visit(*child, *below, way));
      } else if (branch.row != nullptr && !branch.row->others) {
        TRY(stray(path, name, below));
      }
    }
    for (const auto& [name, child] : branch.named) {
      if (branch.row != nullptr && std::find(names.begin(), names.end(), name) == names.end())
        missing(child, path / name, way);
    }
    return {};
  }

  xen::Result<> stray(const Path& directory, const std::string& name, const std::optional<Path>& path) {
    if (!path) {
      check_.findings.push_back(
          {directory.text() + "/" + name, kStray, "a name that is too long", "", able(directory), true});
      return {};
    }
    auto text = TRY(read(*path));
    if (text) find(*path, kStray, fmt::format("is {}, expected no such node", quoted(*text)), "");
    return {};
  }

  void missing(const SchemaTree::Branch& branch, const Path& path, const Way& way) {
    for (const auto& [name, child] : branch.named) missing(child, path / name, way);
    if (branch.row == nullptr || !branch.row->must) return;
    bool now = branch.row->must_in.empty() ||
               (way.state.size() == 1 && branch.row->must_in.find(way.state) != std::string_view::npos);
    if (!now) return;
    std::string when = branch.row->must_in.empty() ? "" : " in state " + way.state;
    Variables variables = complete(variables_in(*branch.row, path));
    find_missing(path, fmt::format("expected {}{}", meaning(*branch.row, variables), when), branch.row->by);
  }

  std::string meaning(const Row& row, const Variables& variables) const {
    return row.value == "\"\"" ? "an empty text" : schema::meaning_of(variables.fill(row.value));
  }

  // True: nothing below needs to be looked at.
  xen::Result<bool> look_at(const Row& row, const Path& path, Way& way) {
    auto text = TRY(read(path));
    if (!text) return true;  // it went meanwhile
    Variables variables = complete(variables_in(row, path));
    if (is_stale(row, path, variables, *text)) return true;
    bool no_text = text->size() == 1 && text->front() == '\0';
    if (no_text) {
      find(path, kIllTyped, fmt::format("holds no text, expected {}", meaning(row, variables)), row.by);
    } else if (!schema::is_value(*text, variables.fill(row.value))) {
      find(path, kIllTyped, fmt::format("is {}, expected {}", quoted(*text), meaning(row, variables)), row.by);
    }
    if (!row.as.empty()) {
      way.state = TRY(read(path / schema::backend::kState)).value_or("");
      way.wanted = WantedPermissions::of(row.perms, variables, servers_of(variables));
    }
    TRY(look_at_permissions(row, path, way));
    return false;
  }

  xen::Result<> look_at_permissions(const Row& row, const Path& path, const Way& way) {
    if (!way.wanted) return {};
    auto list = store_.permissions(path);
    if (!list.ok() && hidden(list.error())) return {};
    if (!list.ok()) return list.error();
    if (!way.wanted->fit(list.value())) {
      find(path, kPermissions, fmt::format("are {}, expected {}", text_of(list.value()), way.wanted->text()), row.by);
    }
    return {};
  }

  bool is_stale(const Row& row, const Path& path, const Variables& variables, const std::string& text) {
    if (row.as.empty()) return false;
    std::optional<DomId> dead;
    for (const auto& domain : {variables_in(row, path).backend, variables.domain}) {
      if (!dead && domain && gone(*domain)) dead = domain;
    }
    if (!dead) return false;
    // What is known of a domain goes when it has gone altogether.
    auto proof = row.as == "proof" ? xen::proof_in(text) : std::nullopt;
    if (proof && proof->state.dying) return false;
    find(path, kStale, fmt::format("there is no domain {}", number(*dead)), row.by);
    return true;
  }

  // ---- one half against the other ----

  xen::Result<> compare(Id id, DomId server) {
    const Path back = schema::backend::dir(server, id.domain, id.device);
    const Path front = schema::frontend::dir(id.domain, id.device);
    const Path record = schema::record::dir(id.domain, id.device);
    const Path error = schema::error::dir(server, id.domain, id.device);
    bool has_back = TRY(there(back));
    if (gone(id.domain) || (has_back && gone(server))) return {};
    bool has_front = TRY(there(front)), has_record = TRY(there(record));
    if (!has_back) {
      std::string why = "there is no " + back.text();
      if (has_front) find(front, kStale, why, "toolstack,frontend");
      if (has_record) find(record, kStale, why, "toolstack");
      if (TRY(there(error))) find(error, kStale, why, "backend");
      return {};
    }
    auto online = TRY(read(schema::backend::online(back).path));
    auto state = TRY(read(schema::backend::state(back).path));
    bool closes = online == "0" || state == "5" || state == "6";
    if (!has_front && !closes) find_missing(front, "expected the directory of the frontend", "toolstack");
    if (own_ != kDom0) return {};
    if (!has_record) find_missing(record, "expected the toolstack's record of the device", "toolstack");
    auto uuid = TRY(read(schema::backend::uuid(back).path)), noted = TRY(read(schema::record::uuid(record).path));
    if (uuid && noted && *uuid != *noted) {
      find(schema::backend::uuid(back).path, kInconsistent,
           fmt::format("is {}, expected {} as in {}", quoted(*uuid), quoted(*noted), record.text()), "toolstack");
    }
    bool announced = state == "2" || state == "4";
    const Path proof = schema::proof::dir(id.domain);
    if (server != kDom0 && announced && !TRY(there(proof)))
      find_missing(proof, "expected " + schema::meaning_of("PROOF"), "domwatch");
    return {};
  }
  xen::Result<bool> there(const Path& path) const { return TRY(read(path)).has_value(); }

  const xen::Store& store_;
  const SchemaTree& tree_;
  DomId own_{};
  std::map<Id, std::set<DomId>> servers_;
  std::map<Id, DomId> claims_;  // of guests whose devices nobody else knows
  StoreCheck check_;
};

}  // namespace

std::string StoreFinding::text() const {
  std::string text = fmt::format("{}: {}: {}", path, kind, what);
  if (!writers.empty()) {
    std::string who(writers);
    for (size_t at = 0; (at = who.find(',', at)) != std::string::npos; at += 4) who.replace(at, 1, " or ");
    text += "; written by " + who;
  }
  if (able.empty()) return text;
  text += fmt::format("; {}domain {} owns it", of_parent ? "its directory: " : "", number(able.front()));
  for (DomId domain : std::span(able).subspan(1)) text += fmt::format(", domain {} may write", number(domain));
  return text;
}

// A change is seen half done now and then: what is wrong is wrong twice.
xen::Result<StoreCheck> check_store(const xen::Store& store) {
  constexpr std::chrono::milliseconds kPause{200};
  SchemaTree tree;
  StoreCheck first = TRY(Checker(store, tree).run());
  if (first.findings.empty()) return first;
  std::this_thread::sleep_for(kPause);
  StoreCheck second = TRY(Checker(store, tree).run());
  std::set<std::string> before;
  for (const StoreFinding& finding : first.findings) before.insert(finding.text());
  std::erase_if(second.findings, [&](const StoreFinding& finding) { return !before.contains(finding.text()); });
  return second;
}

}  // namespace backend
