// SPDX-License-Identifier: MIT
// Manager: domains that look like a new boot while they are suspended. What is restored from such an image looks like
// one too, whenever that is: from then on every boot is marked, until an administrator ends it.
#include "backend/manager/manager.h"

namespace backend {

void Manager::see_through(Device& device, const std::optional<xen::DomainState>& domain) {
  bool suspended = domain && domain->shutdown == xen::ShutdownReason::Suspend;
  bool looked = device.looked_new.has_value();
  if (suspended) {
    auto looks_new = domains_->looks_new(device.id.domain);
    if (looks_new.ok()) device.looked_new = looks_new.value();
    // A domain that is being destroyed cannot be looked at any more: unseen, it may have been one.
    if (!looks_new.ok() && !looked) device.looked_new = true;
  } else {
    device.looked_new.reset();
  }
  if (!device.looked_new.value_or(domains_->looked_new(device.id.domain))) return;
  auto noted = vault_.note_saved(device.back->uuid);
  if (!noted.ok() && noted.error().kind != vault::Refusal::Kind::Unknown) {
    owed_marks_.insert(device.back->uuid);
    log(Level::Error, device, "that its boots are marked is not stored yet: " + noted.error().text);
  }
  if (!noted.ok() || !noted.value()) return;
  event(Level::Warning, "disguised", device,
        "while it was suspended, this domain looked like a new boot, and may come back as one: every boot is marked "
        "until that is given up with `vtpmctl power-cycle " +
            vault::text_of(device.back->uuid) + "` while the guest is shut down");
}

// Nothing of the instance is started before what is owed is on disk.
vault::Result<> Manager::settle_marks(const vault::Uuid& uuid) {
  if (!owed_marks_.contains(uuid)) return {};
  TRY(vault_.note_saved(uuid));
  owed_marks_.erase(uuid);
  return {};
}

}  // namespace backend
