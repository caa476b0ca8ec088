// SPDX-License-Identifier: MIT
#include "lib/xen/store.h"

#include <xen/io/xs_wire.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <span>

#include "lib/base/verify.h"

namespace xen {

namespace {

struct Freed {
  void operator()(void* at) const { std::free(at); }
};
template <class T>
using Malloced = std::unique_ptr<T, Freed>;

bool path_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '/' ||
         c == '_' || c == '@';
}

}  // namespace

std::optional<Path> Path::parse(std::string_view untrusted) {
  if (untrusted.empty() || untrusted.size() >= XENSTORE_REL_PATH_MAX) return std::nullopt;
  for (char c : untrusted) {
    if (!path_character(c)) return std::nullopt;
  }
  if (untrusted != "/" && untrusted.back() == '/') return std::nullopt;
  if (untrusted.find("//") != std::string_view::npos) return std::nullopt;
  return Path(std::string(untrusted));
}

Path::Path(const char* literal) : text_(literal) { VERIFY(parse(literal).has_value()); }

Path Path::operator/(std::string_view part) const {
  auto joined = parse(text_ == "/" ? "/" + std::string(part) : text_ + "/" + std::string(part));
  VERIFY(joined.has_value());
  return *std::move(joined);
}

std::optional<std::vector<std::string>> Path::below(const Path& parent) const {
  std::string_view rest = text_;
  if (!rest.starts_with(parent.text_)) return std::nullopt;
  rest.remove_prefix(parent.text_.size());
  if (!rest.empty() && rest.front() != '/') return std::nullopt;
  std::vector<std::string> parts;
  while (!rest.empty()) {
    rest.remove_prefix(1);
    size_t end = std::min(rest.find('/'), rest.size());
    parts.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  return parts;
}

Result<std::string> Nodes::read(const Path& path) const {
  unsigned length = 0;
  Malloced<char> value(static_cast<char*>(xs_read(store_, transaction_, path.c_str(), &length)));
  if (!value) return failed("read from XenStore");
  if (length > XENSTORE_PAYLOAD_MAX || memchr(value.get(), 0, length) != nullptr) {
    return SysError{EBADMSG, "read text from XenStore"};
  }
  return std::string(value.get(), length);
}

Result<std::vector<std::string>> Nodes::list(const Path& path) const {
  unsigned count = 0;
  Malloced<char*> names(xs_directory(store_, transaction_, path.c_str(), &count));
  if (!names) return failed("list a XenStore directory");
  return std::vector<std::string>(names.get(), names.get() + count);
}

Result<bool> Nodes::exists(const Path& path) const {
  auto value = read(path);
  if (value.ok()) return true;
  if (value.error().number == ENOENT) return false;
  return value.error();
}

Result<std::vector<Permission>> Nodes::permissions(const Path& path) const {
  unsigned count = 0;
  Malloced<xs_permissions> list(xs_get_permissions(store_, transaction_, path.c_str(), &count));
  if (!list) return failed("read the permissions of a XenStore node");
  std::vector<Permission> all;
  for (const xs_permissions& one : std::span(list.get(), count)) {
    all.push_back(
        {DomId{static_cast<uint16_t>(one.id)}, (one.perms & XS_PERM_READ) != 0, (one.perms & XS_PERM_WRITE) != 0});
  }
  return all;
}

Result<> Nodes::write(const Path& path, std::string_view value) const {
  if (!xs_write(store_, transaction_, path.c_str(), value.data(), static_cast<unsigned>(value.size()))) {
    return failed("write to XenStore");
  }
  return {};
}

Result<> Nodes::share(const Path& path, DomId owner, const std::vector<DomId>& readers) const {
  std::vector<xs_permissions> all = {{.id = static_cast<unsigned>(owner), .perms = XS_PERM_NONE}};
  for (DomId reader : readers) all.push_back({.id = static_cast<unsigned>(reader), .perms = XS_PERM_READ});
  bool set = xs_set_permissions(store_, transaction_, path.c_str(), all.data(), static_cast<unsigned>(all.size()));
  if (!set) return failed("set the permissions of a XenStore node");
  return {};
}

Result<> Nodes::remove(const Path& path) const {
  if (!xs_rm(store_, transaction_, path.c_str()) && errno != ENOENT) return failed("remove from XenStore");
  return {};
}

Watch::Watch(Watch&& other) noexcept
    : store_(std::exchange(other.store_, nullptr)), live_(other.live_), self_(other.self_) {}

Watch& Watch::operator=(Watch&& other) noexcept {
  if (this != &other) {
    end();
    store_ = std::exchange(other.store_, nullptr);
    live_ = other.live_;
    self_ = other.self_;
  }
  return *this;
}

void Watch::end() {
  if (store_ == nullptr) return;
  static_cast<void>(xs_unwatch(store_, self_->path.c_str(), self_->token.c_str()));
  live_->erase(self_);
  store_ = nullptr;
}

Result<Store> Store::open() {
  // Not XS_UNWATCH_FILTER: it loses the memory of every event that it drops (xs_unwatch in Xen 4.17).
  Handle<xs_handle, xs_close> handle(xs_open(0));
  if (!handle) return failed("connect to XenStore");
  return Store(std::move(handle));
}

Result<bool> Store::write_existing(const Path& path, std::string_view value) const {
  bool there = false;
  Result<> written = transact([&](Transaction& t) -> Result<> {
    there = TRY(t.exists(path));
    return there ? t.write(path, value) : Result<>();
  });
  if (!written.ok()) return written.error();
  return there;
}

Result<bool> Store::introduced(DomId domain) const {
  errno = 0;
  bool known = xs_is_domain_introduced(store_, static_cast<unsigned>(domain));
  if (!known && errno == EACCES) return failed("ask XenStore about a domain");
  return known;
}

Result<Watch> Store::watch(const Path& path, std::string token) const {
  if (!xs_watch(store_, path.c_str(), token.c_str())) return failed("watch a XenStore path");
  return Watch(store_, *live_, path, token);
}

// Events of a watch that has ended may still be on their way.
bool Store::stands(const WatchEvent& event) const {
  return std::any_of(live_->begin(), live_->end(), [&](const WatchEvent& watch) {
    std::string_view path = event.path;
    if (watch.token != event.token || !path.starts_with(watch.path)) return false;
    path.remove_prefix(watch.path.size());
    return path.empty() || path.front() == '/' || watch.path == "/";
  });
}

Result<std::optional<WatchEvent>> Store::next_event() const {
  while (Malloced<char*> fired{xs_check_watch(store_)}) {
    WatchEvent event{fired.get()[XS_WATCH_PATH], fired.get()[XS_WATCH_TOKEN]};
    if (stands(event)) return std::optional(std::move(event));
  }
  if (errno == EAGAIN) return std::optional<WatchEvent>();
  return failed("read a XenStore watch");
}

}  // namespace xen
