// SPDX-License-Identifier: MIT
// Manager: what administrators find in XenStore beside a device's own nodes.
#include "backend/manager/manager.h"

namespace backend {

// Only what has changed; a write wakes our own watch.
void Manager::show_info(Device& device) {
  if (!device.back) return;
  std::map<std::string, std::string> now = {{"stage", std::string(name_of(device.stage))},
                                            {"commands", std::to_string(device.statistics.commands)},
                                            {"error", device.last_error}};
  if (device.worker && !device.worker->version.empty()) now["version"] = device.worker->version;
  std::map<std::string, std::string> changed;
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
