// SPDX-License-Identifier: MIT
#include "tests/loopback/xenstored.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace loopback {
namespace {

using std::string_literals::operator""s;

const std::string kOk = "OK"s + '\0';
constexpr size_t kMaxUnsent = 1U << 20;  // of one connection; beyond it an unprivileged domain loses events

std::vector<std::string> strings_in(const std::string& payload) {
  std::vector<std::string> strings;
  size_t at = 0;
  for (size_t nul = payload.find('\0'); nul != std::string::npos; nul = payload.find('\0', at)) {
    strings.push_back(payload.substr(at, nul - at));
    at = nul + 1;
  }
  return strings;
}

// The payload is exactly one string with its terminator.
Result<std::string> only_string(const std::string& payload) {
  TRY(require(!payload.empty() && payload.find('\0') == payload.size() - 1, EINVAL));
  return payload.substr(0, payload.size() - 1);
}

Result<uint32_t> number(std::string_view text) {
  uint32_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  TRY(require(error == std::errc{} && end == text.data() + text.size() && !text.empty(), EINVAL));
  return value;
}

Result<DomId> domain_number(std::string_view text) {
  uint32_t value = TRY(number(text));
  TRY(require(value <= UINT16_MAX, EINVAL));
  return DomId(static_cast<uint16_t>(value));
}

Result<Permission> permission_from(std::string_view text) {
  TRY(require(!text.empty(), EINVAL));
  Permission permission{.domain = TRY(domain_number(text.substr(1)))};
  switch (text.front()) {
    case 'n':
      break;
    case 'r':
      permission.read = true;
      break;
    case 'w':
      permission.write = true;
      break;
    case 'b':
      permission.read = permission.write = true;
      break;
    default:
      return Errno{EINVAL};
  }
  return permission;
}

std::string text_of(const Permission& permission) {
  char letter = permission.read ? (permission.write ? 'b' : 'r') : (permission.write ? 'w' : 'n');
  return letter + std::to_string(raw(permission.domain));
}

std::string_view name_of(Errno reason) {
  for (const auto& known : xsd_errors) {
    if (known.errnum == reason.value) return known.errstring;
  }
  return "EINVAL";
}

bool below(const std::string& path, const std::string& ancestor) {
  if (!path.starts_with(ancestor)) return false;
  return ancestor == "/" || path.size() == ancestor.size() || path[ancestor.size()] == '/';
}

Result<DomId> only_domain(const std::string& payload) { return domain_number(TRY(only_string(payload))); }

std::string listing(const Node& node) {
  std::string names;
  for (const std::string& child : node.children) names += child + '\0';
  return names;
}

}  // namespace

Xenstored::Xenstored(EventLoop& loop, Store::DomainExists domain_exists)
    : loop_(loop),
      domain_exists_(domain_exists),
      store_(domain_exists, [this](const StoreEvent& event) { spread(event); }) {}

Xenstored::~Xenstored() {
  while (!connections_.empty()) drop(connections_.front());
}

void Xenstored::accept(Fd socket, DomId domain) {
  // A domain nobody has introduced has no XenStore yet.
  if (domain != kDom0 && !introduced_.contains(domain)) return;
  Connection& connection = connections_.emplace_back();
  connection.socket = std::move(socket);
  connection.domain = domain;
  Result<> watched = loop_.watch(connection.socket.get(), EPOLLIN,
                                 [this, &connection](uint32_t events) { ready(connection, events); });
  if (!watched.ok()) drop(connection);
}

void Xenstored::drop(Connection& connection) {
  loop_.drop(connection.socket.get());
  connections_.remove_if([&connection](const Connection& other) { return &other == &connection; });
}

// ---- bytes ----

void Xenstored::ready(Connection& connection, uint32_t events) {
  bool alive = true;
  if (events & EPOLLIN) {
    alive = receive(connection) && serve_complete(connection);
  } else if (events & (EPOLLHUP | EPOLLERR)) {
    alive = false;
  }
  connection.broken |= !alive;
  flush_all();
}

bool Xenstored::receive(Connection& connection) {
  char bytes[16384];
  ssize_t n = recv(connection.socket.get(), bytes, sizeof(bytes), MSG_DONTWAIT);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  connection.in.append(bytes, static_cast<size_t>(n));
  return n > 0;
}

// False when the peer broke the framing: there is no way back in step with it.
bool Xenstored::serve_complete(Connection& connection) {
  while (connection.in.size() >= sizeof(xsd_sockmsg)) {
    xsd_sockmsg header;
    memcpy(&header, connection.in.data(), sizeof(header));
    if (header.len > XENSTORE_PAYLOAD_MAX) return false;
    if (connection.in.size() < sizeof(header) + header.len) return true;
    Request request{connection,
                    header.type,
                    header.req_id,
                    header.tx_id,
                    connection.in.substr(sizeof(header), header.len),
                    {.domain = connection.domain}};
    connection.in.erase(0, sizeof(header) + header.len);
    serve(std::move(request));
  }
  return true;
}

void Xenstored::reply(Connection& to, uint32_t type, uint32_t id, uint32_t transaction, std::string_view payload) {
  xsd_sockmsg header{.type = type, .req_id = id, .tx_id = transaction, .len = static_cast<uint32_t>(payload.size())};
  char bytes[sizeof(header)];
  memcpy(bytes, &header, sizeof(header));
  to.out.append(bytes, sizeof(bytes));
  to.out.append(payload);
}

void Xenstored::flush(Connection& connection) {
  if (connection.out.empty()) return;
  ssize_t n = send(connection.socket.get(), connection.out.data(), connection.out.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n > 0) connection.out.erase(0, static_cast<size_t>(n));
  if (n < 0 && errno != EAGAIN && errno != EINTR) connection.broken = true;
  // A peer that does not read its answers is not read from either.
  loop_.change(connection.socket.get(), connection.out.empty() ? EPOLLIN : EPOLLOUT);
}

void Xenstored::flush_all() {
  for (auto at = connections_.begin(); at != connections_.end();) {
    Connection& connection = *at++;
    if (!connection.broken) flush(connection);
    if (connection.broken) drop(connection);
  }
}

// ---- requests ----

Xenstored::Operation Xenstored::operation(uint32_t type) {
  switch (type) {
    case XS_DIRECTORY:
      return {.serve = &Xenstored::directory};
    case XS_DIRECTORY_PART:
      return {.serve = &Xenstored::directory_part};
    case XS_READ:
      return {.serve = &Xenstored::read};
    case XS_WRITE:
      return {.serve = &Xenstored::write};
    case XS_MKDIR:
      return {.serve = &Xenstored::make};
    case XS_RM:
      return {.serve = &Xenstored::remove};
    case XS_GET_PERMS:
      return {.serve = &Xenstored::get_permissions};
    case XS_SET_PERMS:
      return {.serve = &Xenstored::set_permissions};
    case XS_WATCH:
      return {.serve = &Xenstored::watch, .ignores_transaction = true};
    case XS_UNWATCH:
      return {.serve = &Xenstored::unwatch, .ignores_transaction = true};
    case XS_RESET_WATCHES:
      return {.serve = &Xenstored::reset_watches, .ignores_transaction = true};
    case XS_TRANSACTION_START:
      return {.serve = &Xenstored::start};
    case XS_TRANSACTION_END:
      return {.serve = &Xenstored::end};
    case XS_INTRODUCE:
      return {.serve = &Xenstored::introduce, .privileged = true};
    case XS_RELEASE:
      return {.serve = &Xenstored::release, .privileged = true};
    case XS_RESUME:
      return {.serve = &Xenstored::resume, .privileged = true};
    case XS_IS_DOMAIN_INTRODUCED:
      return {.serve = &Xenstored::introduced, .privileged = true};
    case XS_GET_DOMAIN_PATH:
      return {.serve = &Xenstored::domain_path};
    default:
      return {};
  }
}

void Xenstored::serve(Request request) {
  Answer result = answer(request);
  if (result.ok() && result.value().size() > XENSTORE_PAYLOAD_MAX) result = Errno{E2BIG};
  if (!result.ok()) {
    std::string name(name_of(result.error()));
    return reply(request.from, XS_ERROR, request.id, request.transaction, name + '\0');
  }
  reply(request.from, request.type, request.id, request.transaction, result.value());
  // The first event of a new watch comes after the answer to its registration.
  if (request.type == XS_WATCH) send_event(request.from, request.from.watches.back(), request.from.watches.back().path);
}

Xenstored::Answer Xenstored::answer(Request& request) {
  Operation operation = Xenstored::operation(request.type);
  TRY(require(operation.serve != nullptr, ENOSYS));
  TRY(require(!operation.privileged || request.caller.privileged(), EACCES));
  if (request.transaction != 0 && !operation.ignores_transaction) {
    auto at = request.from.transactions.find(request.transaction);
    TRY(require(at != request.from.transactions.end(), ENOENT));
    request.caller.transaction = at->second.get();
  }
  return (this->*operation.serve)(request);
}

Result<std::string> Xenstored::only_path(const Request& request, bool special_allowed) {
  return canonical(TRY(only_string(request.payload)), request.caller.domain, special_allowed);
}

Xenstored::Answer Xenstored::directory(Request& request) {
  std::string path = TRY(only_path(request, false));
  return listing(TRY(store_.get(request.caller, path)));
}

Xenstored::Answer Xenstored::directory_part(Request& request) {
  std::vector<std::string> strings = strings_in(request.payload);
  TRY(require(strings.size() == 2, EINVAL));
  std::string path = TRY(canonical(strings[0], request.caller.domain, false));
  Node node = TRY(store_.get(request.caller, path));
  std::string names = listing(node);
  std::string part = std::to_string(node.generation) + '\0';
  size_t at = std::min<size_t>(TRY(number(strings[1])), names.size());
  while (at < names.size()) {
    std::string name = names.substr(at, names.find('\0', at) + 1 - at);
    if (part.size() + name.size() + 1 > XENSTORE_PAYLOAD_MAX) return part;
    part += name;
    at += name.size();
  }
  return part + '\0';  // an empty name ends the whole list
}

Xenstored::Answer Xenstored::read(Request& request) {
  std::string path = TRY(only_path(request, false));
  return TRY(store_.get(request.caller, path)).value;
}

Xenstored::Answer Xenstored::write(Request& request) {
  size_t nul = request.payload.find('\0');
  TRY(require(nul != std::string::npos, EINVAL));
  std::string path = TRY(canonical(request.payload.substr(0, nul), request.caller.domain, false));
  TRY(store_.write(request.caller, path, request.payload.substr(nul + 1)));
  return kOk;
}

Xenstored::Answer Xenstored::make(Request& request) {
  std::string path = TRY(only_path(request, false));
  TRY(store_.make(request.caller, path));
  return kOk;
}

Xenstored::Answer Xenstored::remove(Request& request) {
  std::string path = TRY(only_path(request, false));
  TRY(store_.remove(request.caller, path));
  return kOk;
}

Xenstored::Answer Xenstored::get_permissions(Request& request) {
  std::string path = TRY(only_path(request, true));
  std::string texts;
  for (const Permission& permission : TRY(store_.permissions(request.caller, path)))
    texts += text_of(permission) + '\0';
  return texts;
}

Xenstored::Answer Xenstored::set_permissions(Request& request) {
  std::vector<std::string> strings = strings_in(request.payload);
  TRY(require(strings.size() >= 2, EINVAL));
  std::string path = TRY(canonical(strings[0], request.caller.domain, true));
  Permissions permissions;
  for (size_t i = 1; i < strings.size(); i++) permissions.push_back(TRY(permission_from(strings[i])));
  TRY(store_.set_permissions(request.caller, path, std::move(permissions)));
  return kOk;
}

// ---- watches ----

size_t Xenstored::watches_of(DomId domain) const {
  size_t n = 0;
  for (const Connection& connection : connections_) n += connection.domain == domain ? connection.watches.size() : 0;
  return n;
}

Xenstored::Answer Xenstored::watch(Request& request) {
  std::vector<std::string> strings = strings_in(request.payload);
  TRY(require(strings.size() == 2, EINVAL));
  bool relative = !strings[0].starts_with('/') && !strings[0].starts_with('@');
  std::string path = TRY(canonical(strings[0], request.caller.domain, true));
  for (const Watch& watch : request.from.watches) TRY(require(watch.path != path || watch.token != strings[1], EEXIST));
  bool room = request.caller.privileged() || watches_of(request.caller.domain) < store_.quota.watches;
  TRY(require(room, ENOSPC));
  size_t skip = relative ? home_of(request.caller.domain).size() + 1 : 0;
  request.from.watches.push_back({path, strings[1], skip});
  return kOk;
}

Xenstored::Answer Xenstored::unwatch(Request& request) {
  std::vector<std::string> strings = strings_in(request.payload);
  TRY(require(strings.size() == 2, EINVAL));
  std::string path = TRY(canonical(strings[0], request.caller.domain, true));
  size_t removed =
      request.from.watches.remove_if([&](const Watch& w) { return w.path == path && w.token == strings[1]; });
  TRY(require(removed == 1, ENOENT));
  return kOk;
}

Xenstored::Answer Xenstored::reset_watches(Request& request) {
  request.from.watches.clear();
  request.from.transactions.clear();
  return kOk;
}

void Xenstored::send_event(Connection& to, const Watch& watch, const std::string& path) {
  if (to.domain != kDom0 && to.out.size() > kMaxUnsent) return;
  std::string payload = path.substr(watch.skip) + '\0' + watch.token + '\0';
  if (payload.size() <= XENSTORE_PAYLOAD_MAX) reply(to, XS_WATCH_EVENT, 0, 0, payload);
}

void Xenstored::spread(const StoreEvent& event) {
  for (Connection& connection : connections_) {
    if (connection.watches.empty() || !event.readable_by(connection.domain)) continue;
    for (const Watch& watch : connection.watches) {
      bool hit = event.match == Match::Exact ? event.path == watch.path : below(event.path, watch.path);
      if (hit) send_event(connection, watch, event.path);
    }
  }
}

void Xenstored::fire_special(const std::string& path) {
  for (Connection& connection : connections_) {
    if (!store_.may_watch_special(path, connection.domain)) continue;
    for (const Watch& watch : connection.watches) {
      if (watch.path == path) send_event(connection, watch, path);
    }
  }
}

// ---- transactions ----

size_t Xenstored::transactions_of(DomId domain) const {
  size_t n = 0;
  for (const Connection& connection : connections_)
    n += connection.domain == domain ? connection.transactions.size() : 0;
  return n;
}

Xenstored::Answer Xenstored::start(Request& request) {
  TRY(require(request.transaction == 0, EBUSY));
  bool room = request.caller.privileged() || transactions_of(request.caller.domain) < store_.quota.transactions;
  TRY(require(room, ENOSPC));
  while (request.from.next_transaction == 0 || request.from.transactions.contains(request.from.next_transaction)) {
    request.from.next_transaction++;
  }
  uint32_t id = request.from.next_transaction++;
  request.from.transactions[id] = std::make_unique<Transaction>();
  return std::to_string(id) + '\0';
}

Xenstored::Answer Xenstored::end(Request& request) {
  std::string verdict = TRY(only_string(request.payload));
  TRY(require(verdict == "T" || verdict == "F", EINVAL));
  TRY(require(request.caller.transaction != nullptr, ENOENT));
  auto ended = request.from.transactions.extract(request.transaction);
  if (verdict == "T") TRY(store_.commit(request.caller.domain, *ended.mapped()));
  return kOk;
}

// ---- domains ----

Xenstored::Answer Xenstored::introduce(Request& request) {
  std::vector<std::string> strings = strings_in(request.payload);
  TRY(require(strings.size() >= 3, EINVAL));
  DomId domain = TRY(domain_number(strings[0]));
  uint32_t port = TRY(number(strings[2]));
  TRY(require(port > 0, EINVAL));
  TRY(require(domain != kDom0 && domain_exists_(domain), EINVAL));
  bool fresh = introduced_.try_emplace(domain).second;
  if (fresh) fire_special("@introduceDomain");
  return kOk;
}

Xenstored::Answer Xenstored::release(Request& request) {
  DomId domain = TRY(only_domain(request.payload));
  TRY(require(domain != kDom0, EINVAL));
  TRY(require(introduced_.contains(domain), ENOENT));
  forget(domain);
  return kOk;
}

Xenstored::Answer Xenstored::resume(Request& request) {
  DomId domain = TRY(only_domain(request.payload));
  auto at = introduced_.find(domain);
  TRY(require(at != introduced_.end(), ENOENT));
  at->second.shut_down = false;
  return kOk;
}

Xenstored::Answer Xenstored::domain_path(Request& request) { return home_of(TRY(only_domain(request.payload))) + '\0'; }

Xenstored::Answer Xenstored::introduced(Request& request) {
  DomId domain = TRY(only_domain(request.payload));
  bool known = domain == kDom0 || introduced_.contains(domain);
  return (known ? "T"s : "F"s) + '\0';
}

void Xenstored::domain_shut_down(DomId domain) {
  auto at = introduced_.find(domain);
  if (at == introduced_.end() || std::exchange(at->second.shut_down, true)) return;
  fire_special("@releaseDomain");
  flush_all();
}

void Xenstored::domain_gone(DomId domain) {
  if (introduced_.contains(domain)) forget(domain);
  flush_all();
}

void Xenstored::forget(DomId domain) {
  introduced_.erase(domain);
  for (Connection& connection : connections_) {
    if (connection.domain != domain) continue;
    connection.watches.clear();  // nobody is told of his own end
    connection.broken = true;
  }
  store_.forget_domain(domain);
  fire_special("@releaseDomain");
}

}  // namespace loopback
