// SPDX-License-Identifier: MIT
#include "tests/loopback/channels.h"

#include <sys/mman.h>

#include <new>
#include <vector>

namespace loopback {
namespace {
constexpr uint32_t kFirstPort = 1;
constexpr uint32_t kFirstGuestPort = 3;  // a guest's first two are XenStore's and the console's
constexpr uint32_t kMaxPorts = 4096;
}  // namespace

EventChannels::Channel::~Channel() {
  if (page != nullptr) munmap(page, kPageSize);
}

Result<std::shared_ptr<EventChannels::Channel>> EventChannels::make_channel() {
  auto channel = std::make_shared<Channel>();
  channel->page_fd.reset(memfd_create("xen-event-channel", MFD_CLOEXEC));
  if (!channel->page_fd.open() || ftruncate(channel->page_fd.get(), kPageSize) != 0) return last_error();
  void* memory = mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, channel->page_fd.get(), 0);
  if (memory == MAP_FAILED) return last_error();
  channel->page = new (memory) ChannelPage{};
  return channel;
}

Port EventChannels::free_port(DomId domain) const {
  uint32_t port = domain == kDom0 ? kFirstPort : kFirstGuestPort;
  while (ports_.contains({domain, Port(port)})) port++;
  return Port(port);
}

EventChannels::Bound EventChannels::occupy(const Place& place, HandleId handle, DomId domain, Fd wake) {
  Port port = free_port(domain);
  place.end() = {.open = true, .domain = domain, .port = port, .wake = std::move(wake), .handle = handle};
  place.channel->page->sides[1 - place.side].peer_changes.fetch_add(1);
  ports_.insert_or_assign({domain, port}, place);
  int peer_wake = place.peer().open ? place.peer().wake.get() : -1;
  return {port, place.side, place.channel->page_fd.get(), peer_wake};
}

Result<EventChannels::Bound> EventChannels::bind_unbound(HandleId handle, DomId domain, DomId awaited, Fd wake) {
  Port port = free_port(domain);
  TRY(require(raw(port) < kMaxPorts && wake.open(), ENOSPC));
  std::shared_ptr<Channel> channel = TRY(make_channel());
  channel->awaited = awaited;
  return occupy({channel, 0}, handle, domain, std::move(wake));
}

Result<EventChannels::Bound> EventChannels::bind_interdomain(HandleId handle, DomId domain, DomId remote,
                                                             Port remote_port, Fd wake) {
  auto at = ports_.find({remote, remote_port});
  TRY(require(at != ports_.end() && wake.open(), EINVAL));
  Place place{at->second.channel, 1 - at->second.side};
  bool waiting = !place.end().open && place.peer().open && !place.peer().closing && place.channel->awaited == domain;
  TRY(require(waiting, EINVAL));
  Port port = free_port(domain);
  TRY(require(raw(port) < kMaxPorts, ENOSPC));
  place.channel->page->sides[place.side].state.store(0);
  Bound bound = occupy(place, handle, domain, std::move(wake));
  // The peer may have signalled before anybody listened: as on Xen, a fresh end always finds one event.
  signal(*place.channel, place.side);
  return bound;
}

Result<EventChannels::Bound> EventChannels::find(HandleId handle, DomId domain, Port port) const {
  auto at = ports_.find({domain, port});
  TRY(require(at != ports_.end() && at->second.end().handle == handle, ENOTCONN));
  const Place& place = at->second;
  return Bound{port, place.side, place.channel->page_fd.get(), place.peer().open ? place.peer().wake.get() : -1};
}

Result<> EventChannels::unbind(HandleId handle, DomId domain, Port port) {
  TRY(find(handle, domain, port));
  close({domain, port});
  return {};
}

void EventChannels::close(Key key) {
  auto at = ports_.find(key);
  if (at == ports_.end()) return;
  End& end = at->second.end();
  end.handle = 0;
  if (end.holds > 0) {
    end.closing = true;
    return;
  }
  Place place = at->second;
  ports_.erase(at);
  place.channel->awaited = end.domain;
  end = End{};
  place.channel->page->sides[1 - place.side].peer_changes.fetch_add(1);
}

Result<> EventChannels::hold(DomId domain, Port port) {
  auto at = ports_.find({domain, port});
  TRY(require(at != ports_.end(), EINVAL));
  at->second.end().holds++;
  return {};
}

void EventChannels::settle(DomId domain, Port port) {
  auto at = ports_.find({domain, port});
  if (at == ports_.end() || at->second.end().holds == 0) return;
  signal(*at->second.channel, 1 - at->second.side);
  at->second.end().holds--;
  if (at->second.end().closing) close({domain, port});
}

// Makes the port of `side` pending, and wakes whoever is bound there unless it is masked.
void EventChannels::signal(Channel& channel, unsigned side) {
  uint32_t before = channel.page->sides[side].state.fetch_or(ChannelPage::kPending);
  uint64_t one = 1;
  bool asleep = (before & (ChannelPage::kPending | ChannelPage::kMasked)) == 0;
  if (asleep && channel.ends[side].wake.open()) {
    static_cast<void>(!write(channel.ends[side].wake.get(), &one, sizeof(one)));
  }
}

void EventChannels::handle_gone(HandleId handle) {
  std::vector<Key> bound;
  for (const auto& [key, place] : ports_) {
    if (place.end().handle == handle) bound.push_back(key);
  }
  uint64_t one = 1;
  for (const Key& key : bound) {
    const Place& place = ports_.at(key);
    // It may have died between making its peer pending and waking it.
    bool unseen = place.channel->page->sides[1 - place.side].state.load() == ChannelPage::kPending;
    if (unseen && place.peer().open) static_cast<void>(!write(place.peer().wake.get(), &one, sizeof(one)));
    close(key);
  }
}

void EventChannels::domain_gone(DomId domain) {
  std::vector<Key> bound;
  for (const auto& [key, place] : ports_) {
    if (key.first == domain) bound.push_back(key);
  }
  for (const Key& key : bound) {
    ports_.at(key).end().holds = 0;
    close(key);
  }
}

}  // namespace loopback
