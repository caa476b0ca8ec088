// SPDX-License-Identifier: MIT
#include "backend/control/commands.h"

#include <array>
#include <nlohmann/json.hpp>

namespace backend {

namespace {

using nlohmann::json;

json failure(const std::string& text) { return {{"ok", false}, {"error", text}}; }

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

json about(const Device& device) {
  json j = {{"device", text_of(device.id)}, {"stage", name_of(device.stage)}};
  if (device.back) j["uuid"] = vault::text_of(device.back->uuid);
  if (device.worker) j["worker"] = device.worker->process.pid;
  if (!device.error.empty()) j["error"] = device.error;
  j["commands"] = device.statistics.commands;
  j["errors"] = device.statistics.errors;
  j["commits"] = device.statistics.commits;
  return j;
}

json about(const vault::Entry& entry, const Manager& manager) {
  json j = {{"uuid", vault::text_of(entry.uuid)},
            {"created", entry.created},
            {"epoch", entry.epoch},
            {"power", name_of(entry.power)},
            {"power_cycle", entry.power_cycle},
            {"quarantined", !entry.quarantine.empty()},
            {"devices", json::array()}};
  if (!entry.quarantine.empty()) j["reason"] = entry.quarantine;
  for (const auto& [id, device] : manager.devices()) {
    if (device.back && device.back->uuid == entry.uuid) j["devices"].push_back(about(device));
  }
  return j;
}

json list(Manager& manager, const json&) {
  auto entries = manager.vault().list();
  if (!entries.ok()) return failure(entries.error().text);
  json instances = json::array();
  for (const vault::Entry& entry : entries.value()) instances.push_back(about(entry, manager));
  return {{"ok", true}, {"instances", instances}};
}

json with_uuid(const json& request, const std::function<json(const vault::Uuid&)>& act) {
  auto text = request.find("uuid");
  auto uuid = text != request.end() && text->is_string() ? vault::uuid_in(text->get<std::string>()) : std::nullopt;
  return uuid ? act(*uuid) : failure("a uuid is needed, as 01234567-89ab-cdef-0123-456789abcdef");
}

json show(Manager& manager, const json& request) {
  return with_uuid(request, [&](const vault::Uuid& uuid) -> json {
    auto entries = manager.vault().list();
    if (!entries.ok()) return failure(entries.error().text);
    for (const vault::Entry& entry : entries.value()) {
      if (entry.uuid == uuid) return {{"ok", true}, {"instance", about(entry, manager)}};
    }
    return failure("there is no such instance");
  });
}

json outcome(const vault::Result<>& result) { return result.ok() ? json{{"ok", true}} : failure(result.error().text); }

json remove(Manager& manager, const json& request) {
  return with_uuid(request, [&](const vault::Uuid& uuid) { return outcome(manager.vault().remove(uuid)); });
}

json power_cycle(Manager& manager, const json& request) {
  return with_uuid(request, [&](const vault::Uuid& uuid) { return outcome(manager.power_cycle(uuid)); });
}

json quarantine(Manager& manager, const json& request) {
  return with_uuid(request, [&](const vault::Uuid& uuid) {
    if (request.value("lift", false)) return outcome(manager.lift_quarantine(uuid));
    return outcome(manager.quarantine(uuid, request.value("reason", std::string("by command"))));
  });
}

json stats(Manager& manager, const json&) {
  json devices = json::array();
  for (const auto& [id, device] : manager.devices()) devices.push_back(about(device));
  return {{"ok", true}, {"devices", devices}};
}

json doctor(Manager& manager, const json&) {
  json findings = json::array();
  auto find = [&](const char* level, const std::string& text) {
    findings.push_back({{"level", level}, {"text", text}});
  };
  auto entries = manager.vault().list();
  if (!entries.ok()) find("error", entries.error().text);
  for (const vault::Entry& entry : entries.ok() ? entries.value() : std::vector<vault::Entry>()) {
    if (!entry.quarantine.empty()) find("error", "instance " + vault::text_of(entry.uuid) + ": " + entry.quarantine);
  }
  for (const auto& [id, device] : manager.devices()) {
    if (device.stage == Stage::Failed) find("error", "device " + text_of(id) + ": " + device.error);
    if (device.waits_for_lease) find("warning", "device " + text_of(id) + " waits: another one serves its instance");
  }
  find("warning", "the master key lies beside the states: it does not protect against the thief of this disk");
  return {{"ok", true}, {"findings", findings}};
}

struct Command {
  const char* name;
  json (*run)(Manager&, const json&);
};
constexpr std::array kCommands = {Command{"list", list},
                                  Command{"show", show},
                                  Command{"delete", remove},
                                  Command{"power-cycle", power_cycle},
                                  Command{"quarantine", quarantine},
                                  Command{"stats", stats},
                                  Command{"doctor", doctor}};

std::string one_line(const json& j) { return j.dump(-1, ' ', false, json::error_handler_t::replace); }

}  // namespace

std::string answer(Manager& manager, std::string_view line) {
  json request = json::parse(line, nullptr, false);
  if (!request.is_object() || !request.contains("command") || !request["command"].is_string()) {
    return one_line(failure("a request is one JSON object with a \"command\""));
  }
  std::string name = request["command"];
  for (const Command& command : kCommands) {
    if (name != command.name) continue;
    try {
      return one_line(command.run(manager, request));
    } catch (const json::exception& wrong) {  // a field of another type than the command expects
      return one_line(failure(wrong.what()));
    }
  }
  return one_line(failure("this manager does not know the command"));
}

}  // namespace backend
