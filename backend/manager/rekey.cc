// SPDX-License-Identifier: MIT
// Manager: new keys for everything, while guests work.
#include "backend/manager/manager.h"

namespace backend {

using std::chrono::milliseconds;

// One at a time, with the loop in between: each waits for the disk.
vault::Result<> Manager::rekey(const std::optional<base::Secret<32>>& given) {
  auto entries = TRY(vault_.list());
  TRY(vault_.renew_master(given));
  to_renew_.clear();
  for (const vault::Entry& entry : entries) {
    bool here = !entry.passage || vault::runnable(entry.passage->custody);
    if (entry.quarantine.empty() && here) to_renew_.push_back(entry.uuid);
  }
  events_.tell({.level = Level::Notice, .kind = "rekey-begun", .text = "new master key; instances follow"});
  base::log(Level::Notice, "new master key; " + std::to_string(to_renew_.size()) + " instances follow");
  renew_next();
  fill_pool_later();
  return {};
}

void Manager::renew_next() {
  if (renews_ || to_renew_.empty()) return;
  renews_ = true;
  loop_.after(milliseconds(1), [this] {
    renews_ = false;
    vault::Uuid uuid = to_renew_.front();
    to_renew_.pop_front();
    bool settled = renew(uuid);
    if (!settled) to_renew_.push_back(uuid);
    if (!to_renew_.empty()) {
      if (settled) return renew_next();
      renews_ = true;  // somebody is between two states: a moment later
      return loop_.after(milliseconds(50), [this] {
        renews_ = false;
        renew_next();
      });
    }
    auto compacted = vault_.compact();
    if (!compacted.ok()) base::log(Level::Warning, "the old log is not gone: " + compacted.error().text);
    base::log(Level::Notice, "every instance has a new key");
    events_.tell({.level = Level::Notice, .kind = "rekey-done", .text = "every instance has a new key"});
  });
}

// False: not now. A served one hands its state over to a new worker with the new key.
bool Manager::renew(const vault::Uuid& uuid) {
  for (auto& [id, device] : devices_) {
    if (!device.lease || !device.back || device.back->uuid != uuid) continue;
    if (device.stage != Stage::Serving || !device.worker || !device.worker->ready || device.worker->told_to_stop) {
      return false;
    }
    if (device.renewed) {
      device.renewed = false;
      return true;
    }
    if (device.renewing) return false;
    device.renewing = true;
    tell(device, "freeze", device.worker->process.channel.send(message::Freeze{}));
    return false;
  }
  auto lease = vault_.lease(uuid);
  if (!lease.ok()) return false;
  auto instance = vault_.load(uuid);
  auto renewed = instance.ok() ? vault_.renew_key(uuid, instance.value().power) : vault::Result<>(instance.error());
  if (!renewed.ok()) event(Level::Error, "rekey-failed", uuid, "its key is not renewed: " + renewed.error().text);
  return true;
}

vault::Result<> Manager::remove(const vault::Uuid& uuid) {
  TRY(vault_.remove(uuid));
  event(Level::Notice, "deleted", uuid, "removed for ever, with its keys");
  std::erase_if(traces_, [&](const auto& one) { return one.second.uuid == uuid; });
  return {};
}

}  // namespace backend
