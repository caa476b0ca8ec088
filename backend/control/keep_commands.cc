// SPDX-License-Identifier: MIT
#include "backend/control/keep_commands.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/control/base64.h"
#include "backend/control/failure.h"

namespace backend {

using nlohmann::json;

namespace {

// `busy`: it may be otherwise in a moment.
json failure(const vault::Refusal& why) {
  return {{"ok", false}, {"error", why.text}, {"busy", why.kind == vault::Refusal::Kind::Leased}};
}

std::optional<vault::HostKey> key_in(const json& text) {
  auto bytes = text.is_string() ? from_base64(text.get<std::string>()) : std::nullopt;
  vault::HostKey key{};
  if (!bytes || bytes->size() != key.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), key.begin());
  return key;
}

}  // namespace

json backup(Manager& manager, const json& request) {
  auto uuid = vault::uuid_in(request.value("uuid", std::string()));
  if (!uuid) return failure(kNeedsUuid);
  std::vector<vault::HostKey> recovery;
  for (const json& text : request.value("to", json::array())) {
    auto key = key_in(text);
    if (!key) return failure("a recovery key is not understood");
    recovery.push_back(*key);
  }
  auto made = manager.backup(*uuid, recovery);
  if (!made.ok()) return failure(made.error());
  return {{"ok", true},
          {"paper", base64(made.value().file)},
          {"epoch", made.value().epoch},
          {"fingerprint", made.value().print},
          {"recovery_keys", recovery.size()}};
}

json revert(Manager& manager, const json& request) {
  auto uuid = vault::uuid_in(request.value("uuid", std::string()));
  auto file = from_base64(request.value("paper", std::string()));
  if (!uuid) return failure(kNeedsUuid);
  if (!file) return failure("the file is not understood");
  vault::Keeping::Wish wish{.trusted = request.value("trust", std::string()),
                            .source_lost = request.value("source_lost", false),
                            .confirmed = request.value("yes", false)};
  if (request.contains("key")) {
    auto key = key_in(request["key"]);
    if (!key) return failure("the key is not understood");
    wish.key.emplace(*key);
    base::wipe(key->data(), key->size());
  }
  auto done = manager.revert(*uuid, *file, wish);
  if (!done.ok()) return failure(done.error());
  return {{"ok", true}, {"restored", done.value().restored}, {"text", done.value().text}};
}

json clone(Manager& manager, const json& request) {
  auto source = vault::uuid_in(request.value("uuid", std::string()));
  auto uuid = vault::uuid_in(request.value("new_uuid", std::string()));
  if (!source || !uuid) return failure(kNeedsUuid);
  auto done = manager.clone(*source, *uuid, request.value("keep_identity", false));
  if (!done.ok()) return failure(done.error());
  if (!done.value()) {
    json answer = failure("the copy is being made");
    answer["making"] = true;
    return answer;
  }
  return {{"ok", true}, {"source", vault::text_of(*source)}, {"uuid", vault::text_of(*uuid)}};
}

void print_clone(const json& answer) { fmt::print("{}\n", answer.value("uuid", "")); }

void print_backup(const json& answer) {
  fmt::print(stderr, "backed up at epoch {}, signed by the key with fingerprint {}\n",
             answer.value("epoch", uint64_t{0}), answer.value("fingerprint", ""));
  if (answer.value("recovery_keys", 0U) > 0) return;
  fmt::print(stderr, "only this host can put it back: give a recovery key with --to for when the host is lost\n");
}

void print_revert(const json& answer) { fmt::print(stderr, "{}\n", answer.value("text", "")); }

}  // namespace backend
