// SPDX-License-Identifier: MIT
// Store: a connection to XenStore. Every value read is untrusted text; numbers come back as Untrusted<T>.
#pragma once

#include <charconv>
#include <concepts>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/foreign_bytes.h"
#include "lib/xen/handle.h"

extern "C" {  // the header does not say so itself
#include <xenstore.h>
}

namespace xen {

// A name XenStore accepts: its characters, its length, no empty part. Absolute, relative to the own domain's home, or
// one of the special names that begin with '@'.
class Path {
 public:
  static std::optional<Path> parse(std::string_view untrusted);
  // For names the program itself is made of; anything else is a broken invariant.
  Path(const char* literal);  // NOLINT: implicit by design

  Path operator/(std::string_view part) const;
  Path operator/(unsigned part) const { return *this / std::to_string(part); }
  Path parent() const { return Path(text_.substr(0, text_.rfind('/'))); }
  // The parts behind `parent`; nothing when this is not below it.
  std::optional<std::vector<std::string>> below(const Path& parent) const;

  const char* c_str() const { return text_.c_str(); }
  const std::string& text() const { return text_; }
  bool operator==(const Path&) const = default;

 private:
  explicit Path(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// The whole text as a decimal number without sign; nothing for anything else.
template <std::unsigned_integral T>
std::optional<base::Untrusted<T>> number_in(std::string_view text) {
  T value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return base::Untrusted<T>(value);
}

// Of a node: the first of its list is its owner's, and says what everybody may who is not listed.
struct Permission {
  DomId domain{};
  bool read = false, write = false;
};

// Reads and writes, inside a transaction or directly. Does not own the connection.
class Nodes {
 public:
  // ENOENT when there is no such node; EBADMSG when the value is too long or holds a NUL.
  Result<std::string> read(const Path& path) const;
  // As read(); EBADMSG also when the value is not a decimal number.
  template <std::unsigned_integral T>
  Result<base::Untrusted<T>> read_number(const Path& path) const {
    std::string text = TRY(read(path));
    auto number = number_in<T>(text);
    if (!number) return SysError{EBADMSG, "read a number from XenStore"};
    return *number;
  }
  Result<std::vector<std::string>> list(const Path& path) const;
  Result<bool> exists(const Path& path) const;
  Result<std::vector<Permission>> permissions(const Path& path) const;
  Result<> write(const Path& path, std::string_view value) const;
  // The node belongs to this domain, and the readers, and nobody else, may read it.
  Result<> share(const Path& path, DomId owner, const std::vector<DomId>& readers) const;
  // A node that is not there is no error.
  Result<> remove(const Path& path) const;

 protected:
  Nodes(xs_handle* store, xs_transaction_t transaction) : store_(store), transaction_(transaction) {}
  xs_handle* store_;
  xs_transaction_t transaction_;
};

// One consistent view; what is written becomes visible all at once when the body of transact() succeeds.
class Transaction : public Nodes {
 private:
  friend class Store;
  using Nodes::Nodes;
};

struct WatchEvent {
  std::string path;  // what changed, as the watch was set: absolute, relative or special
  std::string token;
};

// A watch that ends with its owner. The Store must outlive it.
class Watch {
 public:
  Watch(Watch&& other) noexcept;
  Watch& operator=(Watch&& other) noexcept;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() { end(); }

 private:
  friend class Store;
  using Live = std::list<WatchEvent>;  // path and token of every watch that stands
  Watch(xs_handle* store, Live& live, const Path& path, const std::string& token)
      : store_(store), live_(&live), self_(live.insert(live.end(), {path.text(), token})) {}
  void end();

  xs_handle* store_;
  Live* live_;
  Live::iterator self_;
};

class Store : public Nodes {
 public:
  static Result<Store> open();

  // Runs `body(Transaction&)` and makes what it wrote visible. Somebody else's conflicting change runs it again, five
  // times in all; an error of the body abandons the transaction and is the result.
  template <class F>
  Result<> transact(F body) const {
    constexpr int kAttempts = 5;
    for (int attempt = 1;; attempt++) {
      xs_transaction_t id = xs_transaction_start(store_);
      if (id == XBT_NULL) return failed("start a XenStore transaction");
      Transaction transaction(store_, id);
      Result<> done = body(transaction);
      if (!done.ok()) {
        static_cast<void>(xs_transaction_end(store_, id, true));
        return done;
      }
      if (xs_transaction_end(store_, id, false)) return {};
      if (errno != EAGAIN || attempt == kAttempts) return failed("end a XenStore transaction");
    }
  }

  // Writes unless the node has been removed meanwhile: a plain write would make it anew. False: it is gone.
  Result<bool> write_existing(const Path& path, std::string_view value) const;

  // Whether XenStore knows a running domain of that number. EACCES: only dom0 may ask.
  Result<bool> introduced(DomId domain) const;

  // Fires once at once, then at every change of the path or below it. The path need not exist.
  Result<Watch> watch(const Path& path, std::string token) const;
  // The next event that has arrived; nothing when none has. To be called until then whenever fd() is readable.
  Result<std::optional<WatchEvent>> next_event() const;
  int fd() const { return xs_fileno(store_); }

 private:
  explicit Store(Handle<xs_handle, xs_close> handle) : Nodes(handle.get(), XBT_NULL), handle_(std::move(handle)) {}
  bool stands(const WatchEvent& event) const;

  Handle<xs_handle, xs_close> handle_;
  std::unique_ptr<Watch::Live> live_ = std::make_unique<Watch::Live>();  // at an address that survives a move
};

}  // namespace xen
