// SPDX-License-Identifier: MIT
// Manager: instances made by command, with their endorsement keys, before any guest asks for them.
#include <sys/wait.h>

#include "backend/manager/manager.h"

namespace backend {

using message::StartKind;

namespace {
constexpr size_t kMostAtOnce = 2;  // making a key takes a processor
constexpr std::chrono::milliseconds kMakingTime{120'000};
}  // namespace

vault::Result<> Manager::create(const vault::Uuid& uuid, const vault::Settings& settings) {
  TRY(vault_.create(uuid, settings));
  event(Level::Notice, "created", uuid, "new instance by command");
  to_make_.push_back(uuid);
  make_next();
  return {};
}

void Manager::make_next() {
  while (makers_.size() < kMostAtOnce && !to_make_.empty()) {
    vault::Uuid uuid = to_make_.front();
    to_make_.pop_front();
    start_maker(uuid);
  }
}

// A device that was quicker has the lease, and makes the TPM itself.
void Manager::start_maker(const vault::Uuid& uuid) {
  auto lease = vault_.lease(uuid);
  auto instance = lease.ok() ? vault_.load(uuid) : vault::Result<vault::Instance>(lease.error());
  if (!instance.ok() || instance.value().epoch > 0) return;
  uint64_t serial = next_serial_++;
  auto process = spawner_.spawn_maker(serial);
  if (!process.ok()) return event(Level::Error, "not-made", uuid, process.error().text());
  const vault::Settings& settings = instance.value().settings;
  message::Start start;
  start.uuid = uuid;
  start.kind = StartKind::Manufacture;
  start.physical_presence_command = settings.physical_presence_command;
  start.endorsement_key = settings.endorsement_key;
  start.enabled = settings.enabled;
  start.activated = settings.activated;
  start.instance_key = instance.value().key;
  auto sent = process.value().channel.send(start);
  if (!sent.ok()) process.value().kill();
  Maker& maker = makers_.emplace(serial, Maker{uuid, std::move(lease).take(), std::move(process).take()}).first->second;
  loop_.add(maker.process.channel.fd(), [this, serial] { on_maker(serial); });
  loop_.add(maker.process.pidfd.get(), [this, serial] { on_maker_exit(serial); });
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
    return event(Level::Info, "made", maker.uuid, "its TPM has been made");
  }
  auto commit = message::decode<message::Commit>(bytes);
  if (!commit.ok() || commit.value().epoch != 1 || !sound(commit.value())) return maker.process.kill();
  vault_.commit(maker.uuid, 0, commit.value().permanent, [this, serial, uuid = maker.uuid](vault::Result<> stored) {
    if (!stored.ok()) event(Level::Error, "not-made", uuid, stored.error().text);
    auto waiting = makers_.find(serial);
    if (waiting == makers_.end()) return;
    auto told = waiting->second.process.channel.send(message::Committed{1, stored.ok()});
    if (!told.ok()) waiting->second.process.kill();
  });
}

void Manager::on_maker_exit(uint64_t serial) {
  on_maker(serial);
  auto at = makers_.find(serial);
  if (at == makers_.end()) return;
  siginfo_t how{};
  static_cast<void>(::waitid(P_PIDFD, static_cast<id_t>(at->second.process.pidfd.get()), &how, WEXITED | WNOHANG));
  loop_.remove(at->second.process.pidfd.get());
  loop_.remove(at->second.process.channel.fd());
  makers_.erase(at);
  spawner_.clean_up_maker(serial);
  for (auto& [id, device] : devices_) {
    if (device.waits_for_lease) dirty_.insert(id);
  }
  make_next();
}

}  // namespace backend
