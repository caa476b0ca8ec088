// SPDX-License-Identifier: MIT
// Event channels: who is bound to whom. Signals themselves go from process to process, through the channel's page and
// the handles' event descriptors; the machine takes part only when an end is bound or closed.
#pragma once

#include <map>
#include <memory>

#include "tests/loopback/protocol.h"
#include "tests/loopback/types.h"

namespace loopback {

class EventChannels {
 public:
  using HandleId = uint64_t;
  struct Bound {
    Port port;
    unsigned side;
    int page;
    int peer_wake;  // -1 while nobody is connected
  };

  // `wake` is the event descriptor of the handle that binds.
  Result<Bound> bind_unbound(HandleId handle, DomId domain, DomId awaited, Fd wake);
  Result<Bound> bind_interdomain(HandleId handle, DomId domain, DomId remote, Port remote_port, Fd wake);
  Result<Bound> find(HandleId handle, DomId domain, Port port) const;
  Result<> unbind(HandleId handle, DomId domain, Port port);

  // Keeps a port open beyond its handle until settle(), which signals the peer first.
  Result<> hold(DomId domain, Port port);
  void settle(DomId domain, Port port);

  void handle_gone(HandleId handle);
  void domain_gone(DomId domain);

 private:
  struct End {
    bool open = false;
    DomId domain{};
    Port port{};
    Fd wake;
    HandleId handle = 0;
    unsigned holds = 0;
    bool closing = false;  // its handle has gone; it is held
  };
  struct Channel {
    Channel() = default;
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;
    ~Channel();

    Fd page_fd;
    ChannelPage* page = nullptr;
    End ends[2];
    DomId awaited{};  // who may take the place of the end that is not open
  };
  struct Place {
    std::shared_ptr<Channel> channel;
    unsigned side;
    End& end() const { return channel->ends[side]; }
    End& peer() const { return channel->ends[1 - side]; }
  };
  using Key = std::pair<DomId, Port>;

  static Result<std::shared_ptr<Channel>> make_channel();
  Port free_port(DomId domain) const;
  Bound occupy(const Place& place, HandleId handle, DomId domain, Fd wake);
  void close(Key key);
  static void signal(Channel& channel, unsigned side);

  std::map<Key, Place> ports_;
};

}  // namespace loopback
