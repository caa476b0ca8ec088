// SPDX-License-Identifier: MIT
// Manager: workers that run, what they say, and what becomes of the states.
#include <openssl/evp.h>

#include "backend/manager/manager.h"
#include "lib/base/log.h"
#include "lib/base/verify.h"

namespace backend {

using base::Level;
using message::StartKind;
using std::chrono::milliseconds;
using PowerKind = vault::Power::Kind;

namespace {

constexpr milliseconds kStopTime{5'000};  // xl gives a backend 10 s to close
constexpr std::chrono::seconds kInfoPeriod{5};
constexpr size_t kMostDeaths = 5;  // in a minute
constexpr std::array<milliseconds, kMostDeaths> kBackOff = {milliseconds(0), milliseconds(100), milliseconds(400),
                                                            milliseconds(1600), milliseconds(6400)};

std::array<uint8_t, 32> sha256(base::View of) {
  std::array<uint8_t, 32> digest{};
  VERIFY(EVP_Digest(of.data(), of.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1);
  return digest;
}

std::string text_of(message::Failure why) {
  switch (why) {
    case message::Failure::BadStart:
      return "the worker did not understand its start: are both of one version?";
    case message::Failure::CannotMap:
      return "the frontend's grant could not be mapped: ring-ref is wrong";
    case message::Failure::CannotBind:
      return "the frontend's event channel could not be bound: event-channel is wrong";
    case message::Failure::CannotUnseal:
      return "the stored state does not open";
    case message::Failure::CannotLockDown:
      return "the worker could not be confined: see the log of vtpmd";
    case message::Failure::BadState:
      return "the stored state is malformed";
    case message::Failure::NoGrantd:
      return "vtpm-grantd, which copies for a guest on version 1 of the ring, does not answer: see its log";
    case message::Failure::PeerBroke:
      return "the frontend broke the protocol on the shared page";
    case message::Failure::BadExtraPages:
      return "the frontend's extra pages cannot be used: more than " + std::to_string(message::kMostExtraPages) +
             ", one twice, or one that is not granted";
  }
  return "the worker gave up";
}

}  // namespace

bool sound(const message::Commit& commit) {
  return commit.epoch > 0 && vault::claimed_epoch(commit.permanent) == commit.epoch &&
         sha256(commit.permanent) == commit.digest;
}

Here Manager::here(const Device& device) const {
  return {host_, static_cast<uint16_t>(device.id.domain), device.look, device.served};
}

std::optional<xen::DomainState> Manager::domain_of(const Device& device) const {
  auto state = domains_->look(device.id.domain);
  if (state.ok()) return state.value();
  log(Level::Error, device, state.error().text());
  // Not to know is not to see it end: nothing is closed or lost on that ground.
  return xen::DomainState{};
}

void Manager::attach(Device& device, Process process) {
  uint64_t serial = next_serial_++;
  DeviceId id = device.id;
  device.worker = std::make_unique<Worker>();
  device.worker->process = std::move(process);
  device.worker->serial = serial;
  loop_.add(device.worker->process.channel.fd(), [this, id, serial] { on_channel(id, serial); });
  loop_.add(device.worker->process.pidfd.get(), [this, id, serial] { on_exit(id, serial); });
  hold_grantd(device);
}

void Manager::tell(Device& device, const char* what, xen::Result<> sent) {
  if (sent.ok() || !device.worker) return;
  log(Level::Error, device, std::string("worker cannot be told to ") + what + ": " + sent.error().text());
  device.worker->process.kill();
}

void Manager::kill_after(Device& device, milliseconds delay, const char* why, bool unless_ready) {
  loop_.after(delay, [this, id = device.id, serial = device.worker->serial, why, unless_ready] {
    Worker* late = worker(id, serial);
    if (late == nullptr || (unless_ready && late->ready)) return;
    log(Level::Error, *this->device(id), std::string("worker ") + why + ": killed");
    late->process.kill();
  });
}

void Manager::drain(Device& device) {
  if (!device.worker || device.worker->told_to_stop || device.worker->gave_up) return;
  device.worker->told_to_stop = true;
  tell(device, "stop", device.worker->process.channel.send(message::Stop{}));
  kill_after(device, kStopTime, "did not stop in time", false);
}

void Manager::retry(Device& device) {
  auto now = Clock::now();
  event(Level::Warning, "worker-died", device, "its worker died; another one goes on");
  device.deaths.push_back(now);
  while (now - device.deaths.front() > std::chrono::minutes(1)) device.deaths.pop_front();
  if (device.deaths.size() >= kMostDeaths) {
    std::string why = "its worker died " + std::to_string(kMostDeaths) + " times within a minute";
    auto done = vault_.quarantine(device.back->uuid, why);
    if (!done.ok()) log(Level::Error, device, done.error().text);
    refuse(device, why + "; instance " + vault::text_of(device.back->uuid) + " is quarantined");
    return;
  }
  milliseconds wait = kBackOff[device.deaths.size() - 1];
  device.not_before = now + wait;
  loop_.after(wait + milliseconds(1), [this, id = device.id] { dirty_.insert(id); });
}

void Manager::on_channel(DeviceId id, uint64_t serial) {
  constexpr int kMostAtOnce = 16;
  for (int i = 0; i < kMostAtOnce; i++) {
    Worker* from = worker(id, serial);
    if (from == nullptr || from->process.channel.fd() < 0) return;
    auto datagram = from->process.channel.receive();
    if (!datagram.ok()) {
      log(Level::Error, *device(id), datagram.error().text() + ": worker killed");
      from->process.kill();
      return;
    }
    using Kind = Channel::Datagram::Kind;
    if (datagram.value().kind == Kind::Nothing) return;
    if (datagram.value().kind == Kind::Closed) {
      // A worker without a channel is of no use; usually it has ended already.
      loop_.remove(from->process.channel.fd());
      from->process.channel = Channel();
      kill_after(*device(id), milliseconds(1000), "closed its channel without ending", false);
      return;
    }
    on_message(*device(id), std::move(datagram).take());
  }
}

void Manager::on_message(Device& device, Channel::Datagram datagram) {
  base::View bytes = datagram.bytes;
  bool understood = false;
  auto with = [&]<class M>(wire::Result<M> decoded, auto&& act) {
    understood = decoded.ok();
    if (understood) act(decoded.value());
  };
  switch (message::kind_of(bytes)) {
    case message::Kind::Hello:
      understood = message::decode<message::Hello>(bytes).ok();
      break;
    case message::Kind::Ready:
      with(message::decode<message::Ready>(bytes), [&](auto& m) { on_ready(device, m); });
      break;
    case message::Kind::Failed:
      with(message::decode<message::Failed>(bytes), [&](auto& m) { on_failed(device, m.why); });
      break;
    case message::Kind::Commit:
      with(message::decode<message::Commit>(bytes), [&](auto& m) { on_commit(device, m); });
      break;
    case message::Kind::Snapshot:
      with(message::decode<message::Snapshot>(bytes), [&](auto& m) { on_snapshot(device, m); });
      break;
    case message::Kind::Statistics:
      with(message::decode<message::Statistics>(bytes), [&](auto& m) { on_statistics(device, m); });
      break;
    case message::Kind::Endorsement:
      if (auto m = message::decode<message::Endorsement>(bytes); m.ok()) understood = on_endorsement(device, m.value());
      break;
    default:
      break;
  }
  if (understood) return;
  log(Level::Error, device, "worker sent a malformed message: killed");
  if (device.worker) device.worker->process.kill();
}

void Manager::on_ready(Device& device, const message::Ready& ready) {
  device.worker->may_endorse = false;
  if (device.worker->ready) return;
  base::View version = ready.version;
  device.worker->version = base::Printable(std::string(version.begin(), version.end())).view();
  device.worker->ready = true;
  if (ready.extra_pages.frozen) device.extra_pages = ready.extra_pages;
  device.start_time = policy_.start_time;
  device.served = true;
  device.plan.reset();
  device.measured.reset();
  device.journal = std::move(device.worker->process.journal);
  device.error.clear();
  device.nodes.clear_error();
  apply(device, Event::WorkerReady);
  dirty_.insert(device.id);
}

void Manager::on_commit(Device& device, const message::Commit& commit) {
  if (!sound(commit)) {
    log(Level::Error, device, "worker sent a state that contradicts itself: killed");
    device.worker->process.kill();
    return;
  }
  auto done = [this, id = device.id, serial = device.worker->serial, epoch = commit.epoch](vault::Result<> stored) {
    Worker* waiting = worker(id, serial);
    if (!stored.ok())
      base::log(Level::Error, "device " + backend::text_of(id) + ": not stored: " + stored.error().text);
    if (waiting == nullptr) return;
    tell(*this->device(id), "go on", waiting->process.channel.send(message::Committed{epoch, stored.ok()}));
  };
  vault_.commit(device.back->uuid, commit.epoch - 1, commit.permanent, done);
}

void Manager::on_statistics(Device& device, const message::Statistics& statistics) {
  device.statistics = statistics;
  if (!device.info_due) {
    device.info_due = true;
    loop_.after(kInfoPeriod, [this, id = device.id] {
      Device* found = this->device(id);
      if (found == nullptr) return;
      found->info_due = false;
      show_info(*found);
    });
  }
  if (statistics.commands > 0) first_command(device);
}

void Manager::on_snapshot(Device& device, const message::Snapshot& snapshot) {
  if (!device.worker->told_to_stop) return on_frozen(device, snapshot);
  if (device.taken_from) return give_back(device);
  if (device.handed_to) return device.journal.reset();
  const vault::Uuid& uuid = device.back->uuid;
  const vault::Passage* passage = vault_.ledger().find(uuid);
  if (passage != nullptr && !vault::runnable(passage->custody)) return device.journal.reset();  // the export has it
  auto instance = vault_.load(uuid);
  if (!instance.ok()) return log(Level::Error, device, instance.error().text);
  vault::Power power = instance.value().power;
  power.kind = kept_as(device.ended ? device.ended : domain_of(device));
  power.epoch = snapshot.epoch;
  power.snapshot = power.kind == PowerKind::Off ? wire::SizedBytes() : snapshot.snapshot;
  auto stored = vault_.set_power(uuid, power);
  if (stored.ok()) stored = vault_.detached(uuid);
  if (!stored.ok()) return log(Level::Error, device, "snapshot not stored: " + stored.error().text);
  device.journal.reset();
  log(Level::Info, device,
      power.kind == PowerKind::Off      ? "power cycle: volatile state dropped"
      : power.kind == PowerKind::Parked ? "volatile state kept for the running domain"
                                        : "volatile state kept for the suspended domain");
}

void Manager::on_failed(Device& device, message::Failure why) {
  device.worker->gave_up = true;
  std::string text = text_of(why);
  if (why == message::Failure::CannotUnseal || why == message::Failure::BadState) {
    auto done = vault_.quarantine(device.back->uuid, text);
    text += "; instance " + vault::text_of(device.back->uuid) + " is quarantined";
    if (!done.ok()) log(Level::Error, device, done.error().text);
  }
  refuse(device, text);
  kill_after(device, kStopTime, "did not end after it gave up", false);
  dirty_.insert(device.id);
}

void Manager::on_exit(DeviceId id, uint64_t serial) {
  // What it said last may still lie in the channel.
  on_channel(id, serial);
  Worker* dead = worker(id, serial);
  if (dead == nullptr) return;
  Device& of = *device(id);
  std::string how = text_of(reap(dead->process.pidfd));
  bool expected = dead->told_to_stop || dead->gave_up || dead->replaced;
  bool replaced = dead->replaced;
  log(expected ? Level::Info : Level::Warning, of,
      "worker " + std::to_string(dead->process.pid) + " ended" + (how.empty() ? "" : " ") + how);
  loop_.remove(dead->process.pidfd.get());
  if (dead->process.channel) loop_.remove(dead->process.channel.fd());
  of.worker.reset();
  spawner_.clean_up(id);
  if (!of.journal && expected && !replaced) release_lease(of);
  if (of.stage == Stage::Gone) settle_without_worker(of);
  dirty_.insert(id);
  of.held.reset();
  of.renewing = false;
  apply(of, replaced ? Event::WorkerReplaced : Event::WorkerDied);
}

void Manager::settle_without_worker(Device& device) {
  if (device.settled || !device.back) return;
  auto domain = domain_of(device);
  if (!domain && !device.domain_seen) domain = kUnseenEnd;
  // While it is said to run on, word of its suspension may be on its way. What another gave it is given back once.
  device.settled = device.taken_from || kept_as(domain) != PowerKind::Parked;
  if (device.taken_from) return give_back(device);
  if (!device.lease) {
    auto lease = vault_.lease(device.back->uuid);
    if (!lease.ok()) return;
    device.lease.emplace(std::move(lease).take());
  }
  auto instance = vault_.load(device.back->uuid);
  if (instance.ok()) {
    vault::Power power = instance.value().power;
    auto kind = settled_as(power, here(device), domain);
    if (device.plan && device.plan->kind == StartKind::Reconnect) {  // taken, but never used
      kind = kept_as(domain);
      power.snapshot = device.plan->snapshot;
    }
    if (kind) {
      power.kind = *kind;
      if (*kind == PowerKind::Off) power.snapshot = {};
      auto stored = vault_.set_power(device.back->uuid, power);
      if (!stored.ok()) log(Level::Error, device, stored.error().text);
      if (*kind == PowerKind::Off) log(Level::Info, device, "power cycle: volatile state dropped");
    }
  }
  if (device.journal && kept_as(domain) == PowerKind::Suspended) {
    log(Level::Warning, device, "the domain was suspended while its worker was dead: volatile state lost");
  }
  device.plan.reset();
  forget_measurement(device);
  if (kept_as(domain) != PowerKind::Parked) device.journal.reset();
  if (!device.journal) release_lease(device);
}

void Manager::release_lease(Device& device) {
  if (!device.lease) return;
  device.lease.reset();
  for (auto& [id, other] : devices_) {
    if (other.waits_for_lease) dirty_.insert(id);
  }
}

vault::Result<> Manager::power_cycle(const vault::Uuid& uuid) {
  auto lease = TRY(vault_.lease(uuid));
  vault::Power power = TRY(vault_.load(uuid)).power;
  bool stood = power.kind != PowerKind::Off || power.saved_stands;
  power.kind = PowerKind::Off;
  power.snapshot = {};
  power.saved_stands = false;
  TRY(vault_.set_power(uuid, power));
  owed_marks_.erase(uuid);
  if (stood) event(Level::Notice, "power-cycle", uuid, "standing state discarded by command");
  for (auto& [id, device] : devices_) dirty_.insert(id);
  return {};
}

vault::Result<> Manager::quarantine(const vault::Uuid& uuid, const std::string& why) {
  TRY(vault_.quarantine(uuid, why));
  event(Level::Warning, "quarantined", uuid, why);
  for (auto& [id, device] : devices_) {
    if (device.lease && device.back && device.back->uuid == uuid) {
      refuse(device, "instance " + vault::text_of(uuid) + " is quarantined: " + why);
      dirty_.insert(id);
    }
  }
  return {};
}

vault::Result<> Manager::lift_quarantine(const vault::Uuid& uuid) {
  TRY(vault_.quarantine(uuid, ""));
  event(Level::Notice, "quarantine-lifted", uuid, "quarantine lifted by command");
  for (auto& [id, device] : devices_) {
    if (device.back && device.back->uuid == uuid) device.deaths.clear();
  }
  return {};
}

}  // namespace backend
