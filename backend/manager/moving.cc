// SPDX-License-Identifier: MIT
// Manager: instances that move to another host and come from one. vault::Moving has the protocol; here is what it
// means for devices.
#include "backend/manager/manager.h"

namespace backend {

using PowerKind = vault::Power::Kind;

namespace {
vault::Refusal busy(std::string text) { return {vault::Refusal::Kind::Leased, std::move(text)}; }
}  // namespace

// What it is to start from at the other host; a refusal while it is served.
vault::Result<vault::Power> Manager::power_to_move(const vault::Uuid& uuid) {
  TRY(settle_marks(uuid));
  for (auto& [id, device] : devices_) {
    if (!device.lease || !device.back || device.back->uuid != uuid) continue;
    if (device.stage != Stage::Frozen || !device.held || device.renewing) {
      return busy("device " + text_of(id) + " serves the instance: shut its guest down or save it (`xl save`), or " +
                  "migrate both with `xl migrate -s vtpm-migrate-ssh`");
    }
    vault::Power power = TRY(vault_.load_locked(uuid)).power;
    power.kind = PowerKind::Suspended;
    power.epoch = device.held->epoch;
    power.snapshot = device.held->snapshot;
    TRY(vault_.set_power(uuid, power));
    device.moving = true;
    return power;
  }
  auto lease = vault_.lease(uuid);
  if (!lease.ok()) return busy("its TPM is being made: try again in a moment");
  vault::Power power = TRY(vault_.load_locked(uuid)).power;
  bool here = power.host == host_;
  if (power.kind == PowerKind::Parked && here && lives(xen::DomId{power.domain})) {
    return busy("its guest runs on without a driver: shut the guest down or save it (`xl save`)");
  }
  if (power.kind == PowerKind::Suspended) return power;
  // Nobody saw the end of its domain, which may have been saved.
  power.saved_stands = power.saved_stands || (power.kind == PowerKind::Running && here);
  power.kind = PowerKind::Off;
  power.snapshot = {};
  return power;
}

// Not to know is not to see it gone.
bool Manager::lives(xen::DomId domain) const {
  auto state = domains_->look(domain);
  return !state.ok() || (state.value() && !state.value()->dying);
}

vault::Result<base::Bytes> Manager::export_to(const vault::Uuid& uuid, base::View invitation,
                                              const std::string& trusted) {
  const vault::Passage* before = vault_.ledger().find(uuid);
  bool again = before != nullptr && before->custody == vault::Custody::Leaving;
  vault::Power power;
  if (before == nullptr || vault::stored(before->custody)) power = TRY(power_to_move(uuid));
  base::Bytes paper = TRY(moving_.export_to(uuid, invitation, trusted, power));
  if (!again) event(Level::Notice, "exported", uuid, "locked, and exported to host '" + other_host(uuid) + "'");
  return paper;
}

vault::Result<base::Bytes> Manager::abort_export(const vault::Uuid& uuid) {
  base::Bytes notice = TRY(moving_.abort(uuid));
  event(Level::Notice, "export-aborted", uuid, "its move to host '" + other_host(uuid) + "' was aborted: it stays");
  look_again(uuid);
  return notice;
}

vault::Result<base::Bytes> Manager::release(const vault::Uuid& uuid, base::View receipt) {
  const vault::Passage* before = vault_.ledger().find(uuid);
  bool again = before != nullptr && before->custody == vault::Custody::Gone;
  base::Bytes token = TRY(moving_.release(uuid, receipt));
  if (!again) event(Level::Notice, "moved", uuid, "given up for host '" + other_host(uuid) + "', for ever");
  look_again(uuid);
  return token;
}

vault::Result<vault::Moving::Imported> Manager::import(base::View paper, const std::string& trusted) {
  auto imported = TRY(moving_.import(paper, trusted));
  std::string host = "host '" + other_host(imported.uuid) + "'";
  if (imported.kind == vault::PaperKind::Export) {
    if (imported.had_come) return imported;
    event(Level::Notice, "arrived", imported.uuid, "arrived from " + host + "; it may not run before the token");
  } else if (imported.kind == vault::PaperKind::Token) {
    event(Level::Notice, "came", imported.uuid, host + " gave it up: it runs here");
  } else {
    event(Level::Notice, "discarded", imported.uuid, "its move was aborted: the copy of " + host + " was discarded");
  }
  look_again(imported.uuid);
  return imported;
}

vault::Result<vault::Moving::Inherited> Manager::inherit(const vault::Uuid& uuid, bool confirmed) {
  auto done = TRY(moving_.inherit(uuid, confirmed));
  if (done.anew) event(Level::Warning, "restored", uuid, done.text);
  look_again(uuid);
  return done;
}

vault::Result<size_t> Manager::withdraw(const std::optional<vault::Uuid>& uuid) {
  size_t n = TRY(moving_.withdraw(uuid));
  for (auto& [id, device] : devices_) dirty_.insert(id);
  return n;
}

std::string Manager::other_host(const vault::Uuid& uuid) {
  const vault::Passage* passage = vault_.ledger().find(uuid);
  base::View name = passage == nullptr ? base::View() : base::View(passage->other);
  return {name.begin(), name.end()};
}

void Manager::look_again(const vault::Uuid& uuid) {
  for (auto& [id, device] : devices_) {
    if (device.back && device.back->uuid == uuid) dirty_.insert(id);
  }
}

// The toolstack has seen InitWait; the frontend waits until the state is here.
bool Manager::awaits(Device& device) {
  bool awaited = vault_.ledger().awaited(device.back->uuid);
  if (awaited && !device.awaits) log(Level::Notice, device, "waits for its TPM to arrive from another host");
  device.awaits = awaited;
  return awaited;
}

// Of a suspended domain whose TPM is on its way: whether it must not go on here.
bool Manager::moves(Device& device) {
  if (!device.moving) return false;
  const vault::Passage* passage = vault_.ledger().find(device.back->uuid);
  if (passage != nullptr && passage->custody == vault::Custody::Leaving) return true;
  if (passage != nullptr && !vault::runnable(passage->custody)) {
    refuse(device, "the instance was moved to host '" + other_host(device.back->uuid) + "'");
    return true;
  }
  auto instance = vault_.load(device.back->uuid);
  auto stored = instance.ok() ? vault::Result<>() : vault::Result<>(instance.error());
  if (instance.ok()) {
    vault::Power power = instance.value().power;
    power.kind = PowerKind::Running;
    power.host = host_;
    power.domain = static_cast<uint16_t>(device.id.domain);
    power.snapshot = {};
    stored = vault_.set_power(device.back->uuid, power);
  }
  if (!stored.ok()) {
    log(Level::Error, device, stored.error().text);
    return true;
  }
  device.moving = false;
  return false;
}

}  // namespace backend
