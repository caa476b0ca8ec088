// SPDX-License-Identifier: MIT
#include "backend/control/move_commands.h"

#include "backend/control/base64.h"
#include "backend/control/failure.h"

namespace backend {

using nlohmann::json;
using vault::Custody;

namespace {

// `busy`: it may be otherwise in a moment.
json failure(const vault::Refusal& why) {
  return {{"ok", false}, {"error", why.text}, {"busy", why.kind == vault::Refusal::Kind::Leased}};
}
json with_paper(const vault::Result<base::Bytes>& paper) {
  return paper.ok() ? json{{"ok", true}, {"paper", base64(paper.value())}} : failure(paper.error());
}

std::optional<vault::Uuid> uuid_of(const json& request) { return vault::uuid_in(request.value("uuid", std::string())); }

std::optional<base::Bytes> paper_of(const json& request) { return from_base64(request.value("paper", std::string())); }

const char* name_of(Custody custody) {
  switch (custody) {
    case Custody::Stayed:
    case Custody::Come:
    case Custody::Restored:
      return "here";
    case Custody::Leaving:
      return "moving-out";
    case Custody::Gone:
      return "moved";
    case Custody::Arrived:
      return "arrived";
    case Custody::Elsewhere:
      return "elsewhere";
  }
  return "?";
}

std::string text_in(const wire::SizedBytes& bytes) { return {bytes.bytes().begin(), bytes.bytes().end()}; }

json inherit(Manager& manager, const json& request) {
  auto uuid = uuid_of(request);
  if (!uuid) return backend::failure(kNeedsUuid);
  auto done = manager.inherit(*uuid, request.value("yes", false));
  if (!done.ok()) return failure(done.error());
  return {{"ok", true}, {"uuid", vault::text_of(*uuid)}, {"restored", done.value().anew}, {"text", done.value().text}};
}

}  // namespace

json about(const vault::Passage& passage) {
  bool out =
      passage.custody == Custody::Stayed || passage.custody == Custody::Leaving || passage.custody == Custody::Gone;
  json j = {{"state", name_of(passage.custody)},
            {"direction", passage.custody == Custody::Restored ? "restored"
                          : out                                ? "out"
                                                               : "in"},
            {"host", text_in(passage.other)},
            {"fingerprint", vault::fingerprint(out ? passage.transfer.destination : passage.transfer.source)},
            {"time", passage.time},
            {"transfer", passage.transfer.hop}};
  if (passage.custody == Custody::Restored) j["from"] = vault::inherited(passage) ? "export" : "backup";
  return j;
}

std::string advice(const vault::Entry& entry) {
  if (!entry.passage) return {};
  std::string uuid = vault::text_of(entry.uuid), host = "host '" + text_in(entry.passage->other) + "'";
  if (entry.passage->custody == Custody::Leaving) {
    return "instance " + uuid + " is locked on its way to " + host + ": when its receipt is here, `vtpmctl release " +
           uuid + " --receipt FILE --out TOKEN`; to keep it, `vtpmctl export " + uuid + " --abort --out NOTICE`";
  }
  if (entry.passage->custody == Custody::Arrived) {
    return "instance " + uuid + " waits for the token of " + host + ": `vtpmctl release " + uuid +
           "` gives it there, `vtpmctl import TOKEN` takes it here; when that host is lost for good: `vtpmctl import " +
           "--source-lost " + uuid + "`";
  }
  return {};
}

json invite(Manager& manager, const json& request) {
  std::string text = request.value("uuid", std::string());
  auto uuid = vault::uuid_in(text);
  if (!text.empty() && !uuid) return failure(kNeedsUuid);
  if (request.value("withdraw", false)) {
    auto n = manager.withdraw(uuid);
    return n.ok() ? json{{"ok", true}, {"withdrawn", n.value()}} : failure(n.error());
  }
  json answer = with_paper(manager.moving().invite(uuid));
  auto own = manager.moving().identity();
  if (own.ok()) answer["fingerprint"] = vault::fingerprint(own.value().signing);
  return answer;
}

json export_instance(Manager& manager, const json& request) {
  auto uuid = uuid_of(request);
  if (!uuid) return failure(kNeedsUuid);
  if (request.value("abort", false)) return with_paper(manager.abort_export(*uuid));
  auto paper = paper_of(request);
  if (!paper || paper->empty()) return failure("an invitation is needed: `vtpmctl invite` at the destination makes it");
  return with_paper(manager.export_to(*uuid, *paper, request.value("trust", std::string())));
}

json release(Manager& manager, const json& request) {
  auto uuid = uuid_of(request);
  auto paper = paper_of(request);
  if (!uuid) return failure(kNeedsUuid);
  if (!paper) return failure("the receipt is not understood");
  return with_paper(manager.release(*uuid, *paper));
}

json import_paper(Manager& manager, const json& request) {
  if (request.value("source_lost", false)) return inherit(manager, request);
  auto paper = paper_of(request);
  if (!paper) return failure("the file is not understood");
  auto imported = manager.import(*paper, request.value("trust", std::string()));
  if (!imported.ok()) return failure(imported.error());
  const char* kind = imported.value().kind == vault::PaperKind::Export  ? "export"
                     : imported.value().kind == vault::PaperKind::Token ? "token"
                                                                        : "notice";
  json answer = {{"ok", true}, {"uuid", vault::text_of(imported.value().uuid)}, {"imported", kind}};
  if (imported.value().had_come) answer["text"] = "runs here already: its token has come";
  if (!imported.value().receipt.empty()) answer["paper"] = base64(imported.value().receipt);
  return answer;
}

json peers(Manager& manager, const json& request) {
  std::string forget = request.value("forget", std::string());
  if (!forget.empty()) {
    auto done = vault::forget_peer(manager.vault(), forget);
    return done.ok() ? json{{"ok", true}} : failure(done.error());
  }
  auto own = manager.moving().identity();
  if (!own.ok()) return failure(own.error());
  auto known = vault::peers_of(manager.vault());
  if (!known.ok()) return failure(known.error());
  json list = json::array();
  for (const vault::Peer& peer : known.value()) {
    list.push_back({{"name", text_in(peer.name)}, {"fingerprint", vault::fingerprint(peer.key)}});
  }
  json open = json::array();
  for (const vault::Invitation& invitation : manager.vault().ledger().invitations) {
    json one = {{"time", invitation.time}};
    if (invitation.uuid != vault::Uuid{}) one["uuid"] = vault::text_of(invitation.uuid);
    open.push_back(one);
  }
  json self = {{"name", text_in(own.value().name)}, {"fingerprint", vault::fingerprint(own.value().signing)}};
  return {{"ok", true}, {"own", self}, {"peers", list}, {"invitations", open}};
}

}  // namespace backend
