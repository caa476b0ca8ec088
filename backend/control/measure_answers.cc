// SPDX-License-Identifier: MIT
#include "backend/control/measure_answers.h"

namespace backend {

using nlohmann::json;

namespace {

std::string name_of(measure::EventType type) {
  switch (type) {
    case measure::EventType::Action:
      return "EV_ACTION";
    case measure::EventType::Ipl:
      return "EV_IPL";
    case measure::EventType::IplPartitionData:
      return "EV_IPL_PARTITION_DATA";
  }
  return std::to_string(static_cast<uint32_t>(type));
}

}  // namespace

std::optional<measure::Policy> measure_in(const json& request) {
  return measure::policy_in(request.value("measure", std::string()));
}

void add_measure(json& instance, Manager& manager, const vault::Uuid& uuid) {
  auto policy = measure::policy_of(manager.vault(), uuid);
  instance["measure"] = policy.ok() ? std::string(measure::name_of(policy.value())) : policy.error().text;
}

vault::Result<json> event_log(Manager& manager, const vault::Entry& entry) {
  base::Bytes log = TRY(measure::log_of(manager.vault(), entry.uuid, entry.power_cycle));
  auto decoded = measure::decode(log);
  if (!decoded) return vault::Refusal{vault::Refusal::Kind::Broken, "the stored event log is malformed"};
  json events = json::array(), pcrs = json::object();
  for (const measure::Event& event : *decoded) {
    events.push_back(
        {{"pcr", event.pcr}, {"type", name_of(event.type)}, {"digest", base::hex(event.digest)}, {"text", event.text}});
  }
  for (const auto& [pcr, value] : measure::replay(*decoded)) pcrs[std::to_string(pcr)] = base::hex(value);
  return json{{"power_cycle", entry.power_cycle}, {"events", events}, {"pcrs", pcrs}, {"raw", base::hex(log)}};
}

}  // namespace backend
