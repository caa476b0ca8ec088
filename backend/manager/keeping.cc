// SPDX-License-Identifier: MIT
// Manager: backups of instances, and states that are put back, which takes that no domain is bound to the instance.
#include "backend/manager/manager.h"

namespace backend {

using PowerKind = vault::Power::Kind;

namespace {
vault::Refusal busy(std::string text) { return {vault::Refusal::Kind::Leased, std::move(text)}; }
}  // namespace

// A refusal while a guest has it, served or not.
vault::Result<> Manager::unused(const vault::Uuid& uuid) {
  for (const auto& [id, device] : devices_) {
    if (!device.back || device.back->uuid != uuid) continue;
    return busy("the instance belongs to device " + text_of(id) + " of a guest that is there: shut the guest down, " +
                "or detach the device (`xl vtpm-detach`)");
  }
  auto lease = vault_.lease(uuid);
  if (!lease.ok()) return busy("its TPM is being made or copied: try again in a moment");
  auto instance = vault_.load(uuid);
  // What cannot be read is not served either.
  if (!instance.ok()) return {};
  const vault::Power& power = instance.value().power;
  bool volatile_state = power.kind == PowerKind::Running || power.kind == PowerKind::Parked;
  if (volatile_state && power.host == host_ && lives(xen::DomId{power.domain})) {
    return busy("its guest runs on without a device: shut the guest down");
  }
  return {};
}

vault::Result<vault::Keeping::Made> Manager::backup(const vault::Uuid& uuid,
                                                    const std::vector<vault::HostKey>& recovery) {
  auto made = TRY(keeping_.backup(uuid, recovery));
  event(Level::Notice, "backed-up", uuid,
        "backed up at epoch " + std::to_string(made.epoch) +
            (recovery.empty() ? ", for this host alone" : ", for this host and a recovery key"));
  return made;
}

vault::Result<vault::Keeping::Done> Manager::revert(const vault::Uuid& uuid, base::View file,
                                                    const vault::Keeping::Wish& wish) {
  TRY(unused(uuid));
  auto done = TRY(keeping_.revert(uuid, file, wish));
  event(Level::Warning, done.restored ? "restored" : "reverted", uuid, done.text);
  look_again(uuid);
  return done;
}

}  // namespace backend
