// SPDX-License-Identifier: MIT
// Manager: a state that goes from one worker to another while both are there: a domain that is suspended and may run
// on, one that migrates to this same host, an instance that gets a new key.
#include "backend/manager/manager.h"

namespace backend {

using std::chrono::milliseconds;
using PowerKind = vault::Power::Kind;

namespace {
constexpr milliseconds kLookAgain{50};  // nothing tells that a suspended domain runs on
}

// The domain is suspended, or was: it runs on with the same ring after a checkpoint or a migration that failed.
std::optional<Event> Manager::frozen_level(Device& device, const xen::DomainState& domain) {
  if (!device.looks_again) {
    device.looks_again = true;
    loop_.after(kLookAgain, [this, id = device.id] {
      if (Device* found = this->device(id)) found->looks_again = false;
      dirty_.insert(id);
    });
  }
  if (domain.shutdown) return std::nullopt;
  if (device.handed_to) {
    Device* copy = this->device(*device.handed_to);
    if (copy == nullptr) return std::nullopt;
    if (copy->worker) {
      copy->worker->gave_up = true;
      copy->worker->process.kill();
    }
    give_back(*copy);
    refuse(*copy, "the domain that this one was copied from runs on");
  }
  for (const auto& [id, other] : devices_) {
    // Not two of one TPM, not even for a moment.
    if (id != device.id && other.worker && other.back && other.back->uuid == device.back->uuid) return std::nullopt;
  }
  if (moves(device)) return std::nullopt;
  device.held.reset();
  return Event::Resumed;
}

void Manager::on_frozen(Device& device, const message::Snapshot& snapshot) {
  if (device.renewing) return renew_key(device, snapshot);
  if (device.stage != Stage::Frozen) return;
  device.held = snapshot;
  for (auto& [id, other] : devices_) {
    if (other.waits_for_lease) dirty_.insert(id);
  }
}

// To a restored domain from its source on this host, which is suspended and keeps its worker until it is certain that
// it will not be needed again.
bool Manager::hand_over(Device& to) {
  if (to.look != xen::BootLook::Restored) return false;
  for (auto& [id, from] : devices_) {
    bool ready =
        from.stage == Stage::Frozen && from.held && from.lease && !from.moving && from.back->uuid == to.back->uuid;
    if (!ready) continue;
    auto instance = vault_.load(to.back->uuid);
    if (!instance.ok()) return false;
    vault::Power power = instance.value().power;
    power.kind = PowerKind::Suspended;
    power.epoch = from.held->epoch;
    power.snapshot = from.held->snapshot;
    auto stored = vault_.set_power(to.back->uuid, power);
    if (!stored.ok()) {
      log(Level::Error, to, "the state of its source cannot be stored: " + stored.error().text);
      return false;
    }
    to.lease.emplace(std::move(*from.lease));
    from.lease.reset();
    from.handed_to = to.id;
    to.taken_from = id;
    to.waits_for_lease = false;
    event(Level::Info, "handed-over", to, "takes over from device " + text_of(id));
    return true;
  }
  return false;
}

// Nothing has been executed on the copy: the source is as it was.
void Manager::give_back(Device& from) {
  Device* source = from.taken_from ? device(*from.taken_from) : nullptr;
  from.taken_from.reset();
  from.plan.reset();
  from.journal.reset();
  if (source == nullptr || !from.lease) return;
  source->handed_to.reset();
  source->lease.emplace(std::move(*from.lease));
  from.lease.reset();
  auto instance = vault_.load(source->back->uuid);
  auto stored = instance.ok() ? vault::Result<>() : vault::Result<>(instance.error());
  if (instance.ok()) {
    vault::Power power = instance.value().power;
    power.kind = PowerKind::Running;
    power.domain = static_cast<uint16_t>(source->id.domain);
    power.snapshot = {};
    stored = vault_.set_power(source->back->uuid, power);
  }
  if (!stored.ok()) log(Level::Error, *source, stored.error().text);
  event(Level::Info, "taken-back", *source, "takes its state back from device " + text_of(from.id));
  dirty_.insert(source->id);
}

void Manager::first_command(Device& device) {
  if (!device.taken_from) return;
  Device* source = this->device(*device.taken_from);
  device.taken_from.reset();
  if (source == nullptr || source->handed_to != device.id) return;
  source->journal.reset();
  apply(*source, Event::HandedOver);
  dirty_.insert(source->id);
}

// Its state in hand, the worker with the old key is of no more use. The record says parked until the next one has it.
void Manager::renew_key(Device& device, const message::Snapshot& snapshot) {
  device.renewing = false;
  device.renewed = true;
  auto instance = vault_.load(device.back->uuid);
  auto renewed = instance.ok() ? vault::Result<>() : vault::Result<>(instance.error());
  if (instance.ok()) {
    vault::Power power = instance.value().power;
    power.kind = PowerKind::Parked;
    power.epoch = snapshot.epoch;
    power.snapshot = snapshot.snapshot;
    renewed = vault_.renew_key(device.back->uuid, power);
  }
  if (!renewed.ok()) {
    event(Level::Error, "rekey-failed", device, "its key is not renewed: " + renewed.error().text);
    return tell(device, "thaw", device.worker->process.channel.send(message::Thaw{}));
  }
  device.journal.reset();
  device.worker->replaced = true;
  device.worker->process.kill();
}

}  // namespace backend
