// SPDX-License-Identifier: MIT
// Manager: what an administrator orders by writing below `control` in a device's directory, where only the backend's
// own domain can. An order is taken away when it is seen; what became of it stands in `info/control`.
#include <array>

#include "backend/manager/manager.h"
#include "xenstore-schema/vtpm.h"

namespace backend {

namespace {

using schema::backend::control::kLogLevel;
using schema::backend::control::kPowerCycle;

}  // namespace

// Those that were written while nobody watched.
void Manager::take_orders(Device& device) {
  if (device.orders_seen || !device.back) return;
  device.orders_seen = true;
  for (const std::string& name : device.nodes.orders()) on_order(device.id, name);
}

void Manager::on_order(DeviceId id, const std::string& name) {
  Device* found = device(id);
  if (found == nullptr || !found->back || (name != kPowerCycle && name != kLogLevel)) return;
  auto value = found->nodes.take_order(name);
  if (!value) return;
  std::string wrong = name == kPowerCycle ? order_power_cycle(found->back->uuid, *value) : order_log_level(*value);
  found->control = name + ": " + (wrong.empty() ? "done" : wrong);
  log(wrong.empty() ? Level::Notice : Level::Warning, *found, "ordered in XenStore: " + found->control);
  found->info.erase(schema::backend::info::kControl);  // written even when it is the same again
  show_info(*found);
}

// What is wrong with it, if anything.
std::string Manager::order_power_cycle(const vault::Uuid& uuid, const std::string& value) {
  if (value != "1") return "is written as 1";
  auto done = power_cycle(uuid);
  return done.ok() ? "" : done.error().text;
}

std::string Manager::order_log_level(const std::string& value) {
  auto number = xen::number_in<uint8_t>(value);
  auto level =
      number ? number->within(static_cast<uint8_t>(Level::Error), static_cast<uint8_t>(Level::Debug)) : std::nullopt;
  if (!level) return "is a number from 3 to 7";
  base::log_level(static_cast<Level>(*level));
  return "";
}

}  // namespace backend
