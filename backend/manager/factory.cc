// SPDX-License-Identifier: MIT
// Manager: instances made by command, with their endorsement keys, before any guest asks for them.

#include "backend/manager/manager.h"

namespace backend {

using message::StartKind;

namespace {
constexpr size_t kMostAtOnce = 2;  // making a key takes a processor
constexpr std::chrono::milliseconds kMakingTime{120'000};
}  // namespace

vault::Result<> Manager::create(const vault::Uuid& uuid, const vault::Settings& settings, measure::Policy measure) {
  TRY(vault_.create(uuid, settings, measure::items_of(measure)));
  event(Level::Notice, "created", uuid, "new instance by command");
  to_make_.push_back(uuid);
  make_next();
  fill_pool_later();
  return {};
}

void Manager::make_next() {
  while (makers_.size() < kMostAtOnce && !to_make_.empty()) {
    vault::Uuid uuid = to_make_.front();
    to_make_.pop_front();
    start_maker(uuid);
  }
}

// A device that was quicker has the lease, and makes the TPM itself. One that was made in advance needs no more.
void Manager::start_maker(const vault::Uuid& uuid) {
  auto lease = vault_.lease(uuid);
  auto instance = lease.ok() ? vault_.load(uuid) : vault::Result<vault::Instance>(lease.error());
  if (!instance.ok() || instance.value().epoch > 0) return;
  add_maker({.uuid = uuid, .lease = std::move(lease).take(), .key = instance.value().key}, instance.value().settings);
}

void Manager::add_maker(Maker maker, const vault::Settings& settings, base::View permanent) {
  uint64_t serial = next_serial_++;
  auto process = spawner_.spawn_maker(serial);
  if (!process.ok()) return event(Level::Error, "not-made", maker.uuid, process.error().text());
  maker.process = std::move(process).take();
  message::Start start;
  start.uuid = maker.uuid;
  start.kind = permanent.empty() ? StartKind::Manufacture : StartKind::Clone;
  start.epoch = permanent.empty() ? 0 : 1;
  start.permanent = wire::SizedBytes(permanent);
  start.physical_presence_command = settings.physical_presence_command;
  start.endorsement_key = settings.endorsement_key;
  start.enabled = settings.enabled;
  start.activated = settings.activated;
  start.instance_key = maker.key;
  auto sent = maker.process.channel.send(start);
  if (!sent.ok()) maker.process.kill();
  const Maker& added = makers_.emplace(serial, std::move(maker)).first->second;
  loop_.add(added.process.channel.fd(), [this, serial] { on_maker(serial); });
  loop_.add(added.process.pidfd.get(), [this, serial] { on_maker_exit(serial); });
  loop_.after(kMakingTime, [this, serial] {
    if (auto at = makers_.find(serial); at != makers_.end()) at->second.process.kill();
  });
}

void Manager::on_maker(uint64_t serial) {
  auto at = makers_.find(serial);
  if (at == makers_.end()) return;
  Maker& maker = at->second;
  auto datagram = maker.process.channel.receive();
  using Kind = Channel::Datagram::Kind;
  if (datagram.ok() && datagram.value().kind == Kind::Nothing) return;
  if (datagram.ok() && datagram.value().kind == Kind::Closed) return loop_.remove(maker.process.channel.fd());
  base::View bytes = datagram.ok() ? base::View(datagram.value().bytes) : base::View();
  if (message::kind_of(bytes) == message::Kind::Ready && message::decode<message::Ready>(bytes).ok()) {
    if (maker.lease) event(Level::Info, "made", maker.uuid, "its TPM has been made");
    return;
  }
  if (auto told = message::decode<message::Endorsement>(bytes);
      told.ok() && on_maker_endorsement(serial, told.value())) {
    return;
  }
  auto commit = message::decode<message::Commit>(bytes);
  uint64_t epoch = maker.clone ? 2 : 1;
  if (!commit.ok() || commit.value().epoch != epoch || !sound(commit.value())) return maker.process.kill();
  on_made(serial, commit.value());
}

void Manager::on_made(uint64_t serial, const message::Commit& commit) {
  Maker& maker = makers_.at(serial);
  if (maker.clone) return told_maker(serial, commit.epoch, store_clone(maker, commit));
  if (!maker.lease) return told_maker(serial, commit.epoch, store_spare(maker, commit));
  vault_.commit(maker.uuid, 0, commit.permanent, [this, serial, uuid = maker.uuid](vault::Result<> stored) {
    if (!stored.ok()) event(Level::Error, "not-made", uuid, stored.error().text);
    told_maker(serial, 1, stored);
  });
}

void Manager::told_maker(uint64_t serial, uint64_t epoch, const vault::Result<>& stored) {
  auto waiting = makers_.find(serial);
  if (waiting == makers_.end()) return;
  auto told = waiting->second.process.channel.send(message::Committed{epoch, stored.ok()});
  if (!told.ok()) waiting->second.process.kill();
}

void Manager::on_maker_exit(uint64_t serial) {
  on_maker(serial);
  auto at = makers_.find(serial);
  if (at == makers_.end()) return;
  static_cast<void>(reap(at->second.process.pidfd));
  loop_.remove(at->second.process.pidfd.get());
  loop_.remove(at->second.process.channel.fd());
  bool spare = !at->second.lease && !at->second.clone;
  if (at->second.clone) end_clone(at->second);
  makers_.erase(at);
  spawner_.clean_up_maker(serial);
  if (spare) fill_pool_later();
  for (auto& [id, device] : devices_) {
    if (device.waits_for_lease) dirty_.insert(id);
  }
  make_next();
}

}  // namespace backend
