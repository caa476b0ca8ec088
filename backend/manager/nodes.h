// SPDX-License-Identifier: MIT
// DeviceNodes: one device as XenStore shows it. Where the frontend is, which domain it is in and which instance it gets
// come from our own directory, which only the toolstack writes; nothing of that is taken from the frontend's.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "backend/manager/spawn.h"
#include "backend/vault/vault.h"
#include "lib/xen/store.h"
#include "xenstore-schema/values.h"

namespace backend {

using schema::Xenbus;

struct BackNodes {
  xen::Path front{"/"};
  vault::Uuid uuid{};
  bool online = false;
  uint8_t state = 0;
};

struct FrontRing {
  uint8_t version = 2;
  xen::GrantRef grant{};
  xen::Port port{};
  bool operator==(const FrontRing&) const = default;
};

struct FrontNodes {
  std::optional<Xenbus> state;    // nothing: there is no frontend any more
  std::optional<FrontRing> ring;  // in states Initialised and Connected
};

// What was found, or that the directory is gone, or what is wrong with it.
template <class T>
struct Seen {
  std::optional<T> nodes;
  bool gone = false;
  std::string wrong;
};

class DeviceNodes {
 public:
  DeviceNodes(const xen::Store& store, xen::DomId own, DeviceId id);

  const xen::Path& directory() const { return back_; }

  Seen<BackNodes> back() const;
  Seen<FrontNodes> front(const xen::Path& front) const;

  // Writes the state unless it stands there already or the device has been removed: that must not make a node anew.
  // InitWait comes with the version of the protocol.
  xen::Result<> show(Xenbus state) const;

  // Written below `info`, all at once, unless the device has been removed.
  xen::Result<> show_info(const std::map<std::string_view, std::string>& changed) const;

  // As it was written there; nothing when it cannot be had.
  std::optional<std::string> info(std::string_view name) const;

  // The names of what stands below `control`.
  std::vector<std::string> orders() const;
  // What an administrator has written below `control`, which is taken away; empty when it cannot be read as text.
  std::optional<std::string> take_order(const std::string& name) const;

  // The standard place of a device's error; told apart from the log so that nobody needs to be root to find it.
  void tell_error(const std::string& text) const;
  void clear_error() const;

 private:
  const xen::Store& store_;
  DeviceId id_;
  xen::Path back_;
  xen::Path error_;
};

}  // namespace backend
