// SPDX-License-Identifier: MIT
#include "backend/control/history_answers.h"

#include <fmt/format.h>

#include <cstdio>
#include <ctime>

#include "backend/control/failure.h"
#include "lib/base/log.h"

namespace backend {

using nlohmann::json;
using vault::Happened;

namespace {

const char* name_of(Happened what) {
  switch (what) {
    case Happened::Created:
      return "created";
    case Happened::Endorsed:
      return "endorsed";
    case Happened::Exported:
      return "exported";
    case Happened::Kept:
      return "kept";
    case Happened::MovedOut:
      return "moved-out";
    case Happened::Arrived:
      return "arrived";
    case Happened::Came:
      return "came";
    case Happened::Discarded:
      return "discarded";
    case Happened::Rekeyed:
      return "rekeyed";
    case Happened::Quarantined:
      return "quarantined";
    case Happened::Lifted:
      return "quarantine-lifted";
    case Happened::Deleted:
      return "deleted";
    case Happened::Imported:
      return "imported";
    case Happened::Reverted:
      return "reverted";
    case Happened::Restored:
      return "restored";
    case Happened::ClonedTo:
      return "cloned-to";
    case Happened::ClonedFrom:
      return "cloned-from";
    case Happened::Lost:
      return "history-lost";
  }
  return "unknown";
}

}  // namespace

json show_history(Manager& manager, const vault::Uuid& uuid) {
  auto history = manager.vault().history(uuid);
  if (!history.ok()) return failure(history.error().text);
  json entries = json::array();
  for (const vault::Deed& deed : history.value().deeds.items) {
    // The text may be from another host.
    json one = {{"time", deed.time}, {"event", name_of(deed.what)}, {"text", base::plain_text(deed.text)}};
    if (deed.number != 0) one["number"] = deed.number;
    entries.push_back(one);
  }
  return {{"ok", true},
          {"history",
           {{"uuid", vault::text_of(uuid)}, {"dropped", history.value().dropped}, {"entries", std::move(entries)}}}};
}

void print_history(const json& answer) {
  const json& history = answer["history"];
  bool first = true;
  for (const json& one : history["entries"]) {
    auto at = static_cast<time_t>(one.value("time", uint64_t{0}));
    tm utc{};
    ::gmtime_r(&at, &utc);
    fmt::print("{:04}-{:02}-{:02} {:02}:{:02}:{:02}Z  {:<17}  {}\n", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
               utc.tm_hour, utc.tm_min, utc.tm_sec, one.value("event", ""), one.value("text", ""));
    if (first && history.value("dropped", uint64_t{0}) > 0) {
      fmt::print("({} older entries are not kept)\n", history.value("dropped", uint64_t{0}));
    }
    first = false;
  }
}

}  // namespace backend
