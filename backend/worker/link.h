// SPDX-License-Identifier: MIT
// Link: the worker's side of the connection to its manager, whichever manager that is at the moment.
#pragma once

#include <sys/types.h>

#include <array>
#include <optional>
#include <utility>

#include "backend/manager/messages.h"
#include "backend/vault/durable.h"
#include "backend/worker/watch_set.h"
#include "lib/base/bytes.h"
#include "lib/xen/handle.h"

namespace backend {

// The first datagram of a worker's life, and the descriptor that came with it, if any.
struct FirstMessage {
  base::Bytes bytes;
  vault::Fd descriptor;
};
xen::Result<FirstMessage> receive_first(int fd);

class Link {
 public:
  // Takes over the descriptors, but not when it fails. Who connects to `listening` must be root or `trusted`.
  static xen::Result<Link> open(vault::Fd&& manager, vault::Fd&& listening, vault::Fd&& journal, uid_t trusted);

  struct Order {
    base::View datagram() const { return base::View(bytes).first(size); }
    message::Kind kind() const { return message::kind_of(datagram()); }
    std::array<uint8_t, message::kMaxOrder> bytes;  // uninitialised beyond `size`
    size_t size = 0;
    vault::Fd descriptor;  // that came along, if any
  };
  struct Woken {
    bool adopted = false;        // another manager has come: say Hello
    std::optional<Order> order;  // a message of the manager
  };
  // Waits for one or several of these, at most timeout_ms, for ever when negative.
  Woken wait(int timeout_ms);
  // Readable when wait() would return at once.
  int fd() const { return watched_.fd(); }

  // False when there is no manager, or it has just gone: a later one will want to know.
  bool send(base::View datagram) { return send(datagram, -1, 0); }
  // As send(), with the journal's descriptor.
  bool send_with_journal(base::View datagram) { return send(datagram, journal_.get(), 0); }
  // For what may be lost: does not wait for room.
  void send_if_room(base::View datagram);
  bool has_manager() const { return static_cast<bool>(manager_); }
  // For one that talks nonsense.
  void drop_manager() { drop(manager_); }

 private:
  Link(vault::Fd manager, vault::Fd listening, vault::Fd journal, uid_t trusted, WatchSet watched);
  bool send(base::View datagram, int descriptor, int flags);
  std::optional<Order> receive_order();
  void accept_candidate();
  bool hear(vault::Fd& candidate);
  void drop(vault::Fd& watched);

  static constexpr size_t kMostCandidates = 4;
  vault::Fd manager_, listening_, journal_;
  uid_t trusted_;
  std::array<vault::Fd, kMostCandidates> candidates_;
  WatchSet watched_;
};

}  // namespace backend
