// SPDX-License-Identifier: MIT
// Manager: what copies for workers whose guests are on version 1 of the ring.
#include "backend/manager/manager.h"

namespace backend {

void Manager::hold_grantd(Device& device) {
  Worker& worker = *device.worker;
  if (!worker.process.grantd) return;
  uint64_t serial = worker.serial;
  auto [at, _] = grantds_.emplace(serial, HeldGrantd{device.id, std::move(*worker.process.grantd)});
  loop_.add(at->second.process.pidfd.get(), [this, serial] { on_grantd_exit(serial); });
}

// It ends with its worker; one that ends by itself leaves a worker that can serve nobody.
void Manager::on_grantd_exit(uint64_t serial) {
  auto at = grantds_.find(serial);
  if (at == grantds_.end()) return;
  HeldGrantd ended = std::move(at->second);
  grantds_.erase(at);
  loop_.remove(ended.process.pidfd.get());
  if (reap(ended.process.pidfd).well()) return;
  Worker* left = worker(ended.device, serial);
  if (left == nullptr) return;
  log(base::Level::Error, *device(ended.device),
      "vtpm-grantd " + std::to_string(ended.process.pid) + " ended by itself: its worker is ended, too");
  left->process.kill();
}

}  // namespace backend
