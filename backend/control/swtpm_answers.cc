// SPDX-License-Identifier: MIT
#include "backend/control/swtpm_answers.h"

#include <memory>

#include "backend/control/failure.h"

namespace backend {

using nlohmann::json;

namespace {

json outcome(const vault::Result<Manager::Remarks>& result, const vault::Uuid& uuid, bool stored) {
  if (!result.ok()) {
    json answer = failure(result.error().text);
    answer["busy"] = result.error().kind == vault::Refusal::Kind::Leased;
    return answer;
  }
  return {{"ok", true},
          {"uuid", vault::text_of(uuid)},
          {"stored", stored},
          {"carried", result.value().carried},
          {"left", result.value().left}};
}

}  // namespace

Reply import_swtpm(Manager& manager, const json& request, vault::Fd question) {
  auto uuid = vault::uuid_in(request.value("uuid", std::string()));
  if (!uuid) return {failure(kNeedsUuid).dump()};
  if (!question) return {failure("a state is needed").dump()};
  std::string label = request.value("label", std::string());
  if (label.size() > kLongestLabel) return {failure("the label is too long").dump()};
  bool store = request.value("yes", false);
  auto foreign = std::make_shared<Manager::Foreign>(
      Manager::Foreign{std::move(question), *uuid, wire::SizedBytes(base::Bytes(label.begin(), label.end())), store});
  return {.later = [&manager, foreign, uuid = *uuid, store](std::function<void(const std::string&)> answer) {
    manager.take_over(std::move(*foreign), [answer = std::move(answer), uuid, store](const auto& result) {
      answer(outcome(result, uuid, store).dump());
    });
  }};
}

}  // namespace backend
