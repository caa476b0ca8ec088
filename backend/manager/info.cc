// SPDX-License-Identifier: MIT
// Manager: what administrators find in XenStore beside a device's own nodes.
#include "backend/manager/manager.h"
#include "lib/xen/proofs.h"
#include "xenstore-schema/vtpm.h"

namespace backend {

namespace info = schema::backend::info;

// What an earlier manager saw of the domain before it ran, and whether it served it: nobody can see that again. Only
// the backend's own domain writes there.
void Manager::recall(Device& device) {
  auto boot = device.nodes.info(info::kBoot);
  auto look = boot ? xen::boot_look_in(*boot) : std::nullopt;
  if (look && device.look == xen::BootLook::TooLate) device.look = *look;
  device.served = device.nodes.info(info::kServed) == "1";
}

// Only what has changed; a write wakes our own watch.
void Manager::show_info(Device& device) {
  if (!device.back) return;
  std::map<std::string_view, std::string> now = {{info::kStage, std::string(backend::name_of(device.stage))},
                                                 {info::kBoot, std::string(xen::word_of(device.look))},
                                                 {info::kServed, device.served ? "1" : "0"},
                                                 {info::kCommands, std::to_string(device.statistics.commands)},
                                                 {info::kError, device.last_error}};
  if (device.worker && !device.worker->version.empty()) now[info::kVersion] = device.worker->version;
  if (!device.control.empty()) now[info::kControl] = device.control;
  std::map<std::string_view, std::string> changed;
  for (const auto& [name, value] : now) {
    auto before = device.info.find(name);
    if (before == device.info.end() || before->second != value) changed[name] = value;
  }
  if (changed.empty()) return;
  auto done = device.nodes.show_info(changed);
  if (!done.ok()) return log(Level::Warning, device, done.error().text());
  for (auto& [name, value] : changed) device.info[name] = value;
}

}  // namespace backend
