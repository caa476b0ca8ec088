// SPDX-License-Identifier: MIT
#include "backend/control/answers.h"

#include <sys/statvfs.h>

#include <ctime>

#include "backend/control/identity_answers.h"
#include "backend/control/move_commands.h"

namespace backend {

using nlohmann::json;

namespace {

const char* name_of(vault::Power::Kind kind) {
  switch (kind) {
    case vault::Power::Kind::Off:
      return "off";
    case vault::Power::Kind::Running:
      return "running";
    case vault::Power::Kind::Parked:
      return "parked";
    case vault::Power::Kind::Suspended:
      return "suspended";
  }
  return "?";
}

json about(const vault::Settings& settings) {
  base::View label = settings.label;
  json localities = json::array();
  for (int n = 0; n < 5; n++) {
    if ((settings.localities >> n & 1) != 0) localities.push_back(n);
  }
  return {{"label", std::string(label.begin(), label.end())},
          {"physical_presence_command", settings.physical_presence_command},
          {"localities", localities},
          {"endorsement_key", settings.endorsement_key},
          {"enabled", settings.enabled},
          {"activated", settings.activated}};
}

class Findings {
 public:
  void find(const char* level, const std::string& text) { all_.push_back({{"level", level}, {"text", text}}); }

  void disk(const std::string& directory) {
    struct statvfs about {};
    if (::statvfs(directory.c_str(), &about) != 0) return;
    uint64_t free_bytes = static_cast<uint64_t>(about.f_bavail) * about.f_frsize;
    constexpr uint64_t kLittle = 64 << 20;
    if (free_bytes >= kLittle) return;
    find(free_bytes == 0 ? "error" : "warning", "the disk of " + directory + " has " +
                                                    std::to_string(free_bytes >> 20) +
                                                    " MiB left: guests' commands fail when it is full; make room");
  }

  void instances(Manager& manager) {
    auto entries = manager.vault().list();
    if (!entries.ok()) return find("error", entries.error().text);
    auto now = static_cast<uint64_t>(::time(nullptr));
    bool clock_behind = false;
    for (const vault::Entry& entry : entries.value()) {
      std::string name = "instance " + vault::text_of(entry.uuid);
      if (!entry.quarantine.empty()) find("error", name + ": " + entry.quarantine);
      if (entry.saved_stands) {
        find("warning",
             name + ": a saved guest may come back as if it were a new boot, every boot is marked; when it will " +
                 "not: `vtpmctl power-cycle " + vault::text_of(entry.uuid) + "`");
      }
      if (std::string move = advice(entry); !move.empty()) find("warning", move);
      clock_behind = clock_behind || entry.created > now;
    }
    if (clock_behind) find("warning", "the host's clock is behind: instances were made in its future; set it");
  }

  void devices(const Manager& manager) {
    for (const auto& [id, device] : manager.devices()) {
      std::string name = "device " + text_of(id);
      if (device.stage == Stage::Failed) find("error", name + ": " + device.error);
      if (device.awaits) {
        find("warning", name + " waits for its TPM to come from another host: import its export and its token, or " +
                            "end the waiting with `vtpmctl invite --withdraw`");
      }
      if (device.waits_for_lease) find("warning", name + " waits: another one serves its instance");
      if (device.back && !device.back->online) {
        find("warning", name + ": its nodes stand in XenStore though the toolstack has given it up; remove " +
                            device.nodes.directory().text() + " when its domain is gone");
      }
    }
  }

  json all_ = json::array();
};

}  // namespace

json about(const AdminEvent& event) {
  json j = {{"number", event.number}, {"time", event.time}, {"level", static_cast<int>(event.level)}};
  j["event"] = event.kind;
  if (event.uuid != vault::Uuid{}) j["uuid"] = vault::text_of(event.uuid);
  if (!event.device.empty()) j["device"] = event.device;
  j["text"] = event.text;
  return j;
}

json about(const Device& device) {
  json j = {{"device", text_of(device.id)}, {"stage", backend::name_of(device.stage)}};
  if (device.back) j["uuid"] = vault::text_of(device.back->uuid);
  if (device.worker) j["worker"] = device.worker->process.pid;
  if (device.worker && !device.worker->version.empty()) j["version"] = device.worker->version;
  if (!device.error.empty()) j["error"] = device.error;
  j["commands"] = device.statistics.commands;
  j["errors"] = device.statistics.errors;
  j["commits"] = device.statistics.commits;
  j["total_us"] = device.statistics.total_us;
  j["took"] = device.statistics.took;
  return j;
}

json about(const vault::Entry& entry, const Manager& manager) {
  json j = {{"uuid", vault::text_of(entry.uuid)},
            {"created", entry.created},
            {"epoch", entry.epoch},
            {"power", name_of(entry.power)},
            {"power_cycle", entry.power_cycle},
            {"marked", entry.saved_stands},
            {"quarantined", !entry.quarantine.empty()},
            {"settings", about(entry.settings)},
            {"devices", json::array()}};
  if (!entry.quarantine.empty()) j["reason"] = entry.quarantine;
  if (entry.passage) j["move"] = about(*entry.passage);
  for (const auto& [id, device] : manager.devices()) {
    if (device.back && device.back->uuid == entry.uuid) j["devices"].push_back(about(device));
  }
  return j;
}

json findings(Manager& manager) {
  Findings findings;
  findings.disk(manager.policy().state_directory);
  findings.instances(manager);
  findings.devices(manager);
  for (json& found : authority_findings(manager)) findings.all_.push_back(std::move(found));
  if (manager.left_to_renew() > 0) {
    findings.find("warning", std::to_string(manager.left_to_renew()) + " instances wait for their new key");
  }
  if (manager.policy().key_file.empty()) {
    findings.find("warning",
                  "the master key lies beside the states: it does not protect against the thief of this disk; see "
                  "--master-key");
  }
  return findings.all_;
}

}  // namespace backend
