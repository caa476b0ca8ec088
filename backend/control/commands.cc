// SPDX-License-Identifier: MIT
#include "backend/control/commands.h"

#include <array>
#include <nlohmann/json.hpp>

#include "backend/control/answers.h"
#include "backend/control/failure.h"
#include "backend/control/history_answers.h"
#include "backend/control/identity_answers.h"
#include "backend/control/keep_commands.h"
#include "backend/control/measure_answers.h"
#include "backend/control/move_commands.h"
#include "backend/control/swtpm_answers.h"
#include "backend/vault/opening.h"

namespace backend {

namespace {

using nlohmann::json;

constexpr const char* kMeasureNames = "measure is off, on or required";

json outcome(const vault::Result<>& result) { return result.ok() ? json{{"ok", true}} : failure(result.error().text); }

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
  return uuid ? act(*uuid) : failure(kNeedsUuid);
}

json show(Manager& manager, const json& request) {
  if (request.value("ca", false)) return show_authority(manager);
  return with_uuid(request, [&](const vault::Uuid& uuid) -> json {
    if (request.value("ek", false)) return show_endorsement(manager, uuid);
    if (request.value("history", false)) return show_history(manager, uuid);
    auto entry = manager.vault().entry(uuid);
    if (!entry.ok()) return failure(entry.error().text);
    if (request.value("log", false)) {
      auto log = event_log(manager, entry.value());
      return log.ok() ? json{{"ok", true}, {"log", log.value()}} : failure(log.error().text);
    }
    json instance = about(entry.value(), manager);
    add_measure(instance, manager, uuid);
    return {{"ok", true}, {"instance", instance}};
  });
}

json create(Manager& manager, const json& request) {
  return with_uuid(request, [&](const vault::Uuid& uuid) -> json {
    vault::Settings settings = manager.policy().defaults;
    std::string label = request.value("label", std::string());
    if (label.size() > kLongestLabel) return failure("the label is too long");
    settings.label = wire::SizedBytes(base::Bytes(label.begin(), label.end()));
    settings.physical_presence_command = request.value("physical_presence_command", settings.physical_presence_command);
    settings.localities = request.value("localities", settings.localities);
    settings.endorsement_key = request.value("endorsement_key", settings.endorsement_key);
    settings.enabled = request.value("enabled", settings.enabled);
    settings.activated = request.value("activated", settings.activated);
    if (settings.localities == 0 || settings.localities > 31) return failure("localities are 0 to 4");
    auto measure = measure_in(request);
    if (request.contains("measure") && !measure) return failure(kMeasureNames);
    return outcome(manager.create(uuid, settings, measure.value_or(manager.policy().measure)));
  });
}

json set(Manager& manager, const json& request) {
  return with_uuid(request, [&](const vault::Uuid& uuid) -> json {
    auto measure = measure_in(request);
    if (!measure) return failure(kMeasureNames);
    return outcome(manager.set_measure(uuid, *measure));
  });
}

json remove(Manager& manager, const json& request) {
  return with_uuid(request, [&](const vault::Uuid& uuid) { return outcome(manager.remove(uuid)); });
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

json rekey(Manager& manager, const json& request) {
  std::string file = request.value("new_key", std::string());
  if (file.empty()) return outcome(manager.rekey({}));
  auto key = vault::read_key_file(file);
  return key.ok() ? outcome(manager.rekey(key.value())) : failure(key.error().text);
}

json stats(Manager& manager, const json&) {
  json devices = json::array();
  for (const auto& [id, device] : manager.devices()) devices.push_back(about(device));
  json pool = {{"ready", manager.pool()}, {"wanted", manager.policy().pool}};
  return {{"ok", true}, {"devices", devices}, {"pool", pool}};
}

json events(Manager& manager, const json&) {
  json past = json::array();
  for (const AdminEvent& event : manager.events().kept()) past.push_back(about(event));
  return {{"ok", true}, {"events", past}};
}

json doctor(Manager& manager, const json&) { return {{"ok", true}, {"findings", findings(manager)}}; }

struct Command {
  const char* name;
  json (*run)(Manager&, const json&);
};
constexpr std::array kCommands = {Command{"list", list},
                                  Command{"show", show},
                                  Command{"create", create},
                                  Command{"set", set},
                                  Command{"delete", remove},
                                  Command{"quarantine", quarantine},
                                  Command{"power-cycle", power_cycle},
                                  Command{"rekey", rekey},
                                  Command{"invite", invite},
                                  Command{"export", export_instance},
                                  Command{"release", release},
                                  Command{"import", import_paper},
                                  Command{"peers", peers},
                                  Command{"backup", backup},
                                  Command{"revert", revert},
                                  Command{"clone", clone},
                                  Command{"stats", stats},
                                  Command{"events", events},
                                  Command{"doctor", doctor}};

std::string one_line(const json& j) { return j.dump(-1, ' ', false, json::error_handler_t::replace); }

// Not in the table: a descriptor comes with the answer.
Reply trace(Manager& manager, const json& request) {
  Reply reply;
  json said = with_uuid(request, [&](const vault::Uuid& uuid) -> json {
    auto traced = manager.trace(uuid);
    if (!traced.ok()) return failure(traced.error().text);
    reply.traced = std::move(traced).take();
    return {{"ok", true}};
  });
  reply.line = one_line(said);
  return reply;
}

}  // namespace

Reply answer(Manager& manager, std::string_view line, vault::Fd attached) {
  json request = json::parse(line, nullptr, false);
  if (!request.is_object() || !request.contains("command") || !request["command"].is_string()) {
    return {.line = one_line(failure("a request is one JSON object with a \"command\""))};
  }
  std::string name = request["command"];
  if (name == "trace") return trace(manager, request);
  for (const Command& command : kCommands) {
    if (name != command.name) continue;
    try {
      if (name == "import" && request.value("swtpm", false)) {
        return import_swtpm(manager, request, std::move(attached));
      }
      bool follows = name == "events" && request.value("follow", false);
      return {.line = one_line(command.run(manager, request)), .follows = follows};
    } catch (const json::exception& wrong) {  // a field of another type than the command expects
      return {.line = one_line(failure(wrong.what()))};
    }
  }
  return {.line = one_line(failure("this manager does not know the command"))};
}

std::string line_of(const AdminEvent& event) { return one_line(about(event)); }

}  // namespace backend
