// SPDX-License-Identifier: MIT
// Manager: the workers that went on serving while there was no manager.
#include "backend/manager/manager.h"
#include "lib/base/log.h"

namespace backend {

using base::Level;
using std::chrono::milliseconds;

namespace {
// A worker answers between two commands, and the longest command makes a key.
constexpr milliseconds kAnswerTime{30'000};
constexpr const char* kUnanswered =
    ": the worker of an earlier manager gives no good answer; the device waits until that worker has ended";
}  // namespace

void Manager::adopt_left_over() {
  for (DeviceId id : spawner_.left_over()) {
    auto channel = spawner_.connect(id);
    if (!channel.ok()) {
      spawner_.clean_up(id);
      continue;
    }
    auto asked = channel.value().send(message::Adopt{});
    if (!asked.ok()) continue;
    loop_.add(channel.value().fd(), [this, id] { on_adoption(id); });
    adoptions_.emplace(id, std::move(channel).take());
    loop_.after(kAnswerTime, [this, id] {
      if (adoptions_.contains(id)) base::log(Level::Error, "device " + text_of(id) + kUnanswered);
    });
  }
}

// While the old worker lives, answering or not, nobody else may serve its device: there would be two of one TPM.
void Manager::end_adoption(DeviceId id) {
  loop_.remove(adoptions_.at(id).fd());
  adoptions_.erase(id);
}

void Manager::on_adoption(DeviceId id) {
  auto at = adoptions_.find(id);
  if (at == adoptions_.end()) return;
  auto datagram = at->second.receive();
  using Kind = Channel::Datagram::Kind;
  if (datagram.ok() && datagram.value().kind == Kind::Nothing) return;
  if (datagram.ok() && datagram.value().kind == Kind::Closed) {
    base::log(Level::Warning, "device " + text_of(id) + ": the worker of an earlier manager ended");
    end_adoption(id);
    spawner_.clean_up(id);
    return find(id);
  }
  auto hello = message::decode<message::Hello>(datagram.ok() ? base::View(datagram.value().bytes) : base::View());
  bool sound = hello.ok() && hello.value().version == message::kVersion &&
               hello.value().domain == static_cast<uint16_t>(id.domain) && hello.value().device == id.number &&
               datagram.value().descriptor && is_journal(datagram.value().descriptor.get());
  if (!sound) return base::log(Level::Error, "device " + text_of(id) + kUnanswered);
  Channel channel = std::move(at->second);
  loop_.remove(channel.fd());
  adoptions_.erase(at);
  adopt(id, hello.value(), std::move(datagram).take(), std::move(channel));
}

void Manager::adopt(DeviceId id, const message::Hello& hello, Channel::Datagram datagram, Channel channel) {
  auto pidfd = watch_process(datagram.sender);
  if (!pidfd.ok()) return base::log(Level::Error, "device " + text_of(id) + ": " + pidfd.error().text());
  Process process{datagram.sender, std::move(pidfd).take(), std::move(channel), {}, {}};
  auto instance = vault_.load(hello.uuid);
  auto lease = vault_.lease(hello.uuid);
  bool its_own = instance.ok() && lease.ok() && instance.value().power.cycle == hello.power_cycle &&
                 instance.value().power.kind == vault::Power::Kind::Running &&
                 instance.value().power.domain == hello.domain && instance.value().epoch >= hello.epoch;
  if (!its_own) {
    base::log(Level::Error, "device " + text_of(id) + ": a worker of another state than the stored one: killed");
    process.kill();
    return find(id);
  }
  find(id);
  Device* known = device(id);
  if (known == nullptr) known = &devices_.emplace(id, Device(store_, own_, id, policy_.start_time)).first->second;
  auto seen = known->nodes.back();
  if (seen.nodes && seen.nodes->uuid == hello.uuid) known->back = std::move(seen.nodes);
  bool still_wanted = known->back.has_value();
  if (!still_wanted) known->back = BackNodes{.uuid = hello.uuid};
  known->stage = still_wanted ? (hello.frozen ? Stage::Frozen : Stage::Serving) : Stage::Gone;
  known->lease.emplace(std::move(lease).take());
  known->journal = std::move(datagram.descriptor);
  known->served = true;
  known->extra_pages = hello.extra_pages;
  attach(*known, std::move(process));
  known->worker->ready = true;
  log(Level::Info, *known, "adopted worker " + std::to_string(datagram.sender));
  if (known->stage == Stage::Frozen) tell(*known, "freeze", known->worker->process.channel.send(message::Freeze{}));
  if (!still_wanted) {
    see_end(*known);
    drain(*known);
  }
  dirty_.insert(id);
}

// A domain that went while there was no manager is kept by its pages, which the worker has mapped: how it ended is
// still to be seen. When it is not, it may have been saved, looking like anything.
void Manager::see_end(Device& device) {
  device.ended = domain_of(device).value_or(kUnseenEnd);
  see_through(device, device.ended);
}

}  // namespace backend
