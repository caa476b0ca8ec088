// SPDX-License-Identifier: MIT
#include "backend/control/print.h"

#include <fmt/format.h>

#include <cstdio>
#include <ctime>

namespace backend {

using nlohmann::json;

namespace {

std::string text(const json& j, const char* key) { return j.value(key, std::string("-")); }
uint64_t number(const json& j, const char* key) { return j.value(key, uint64_t{0}); }
void line(const std::string& of) { std::printf("%s\n", of.c_str()); }

std::string escaped(const std::string& label) {
  std::string out;
  for (char c : label) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

void print_move(const json& move) {
  std::string state = text(move, "state"), what = state;
  if (state == "here") what = move.value("direction", "in") == "in" ? "came from" : "was not moved to";
  if (move.value("direction", "in") == "restored") {
    what = move.value("from", "backup") == "export" ? "arrived, without its token, from" : "restored from a backup of";
  }
  if (state == "moving-out") what = "moving-out to";
  if (state == "moved") what = "moved to";
  if (state == "arrived") what = "arrived, may not run yet, from";
  if (state == "elsewhere") what = "was not taken from";
  auto at = static_cast<time_t>(number(move, "time"));
  tm utc{};
  ::gmtime_r(&at, &utc);
  line(fmt::format("{:<26} {} {} ({}) on {:04}-{:02}-{:02}", "move", what, text(move, "host"),
                   text(move, "fingerprint"), utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday));
}

void histogram(std::string& out, const std::string& labels, const json& device) {
  uint64_t below = 0, n = 0;
  for (const json& count : device["took"]) {
    below += count.get<uint64_t>();
    bool last = ++n == device["took"].size();
    std::string limit = last ? "+Inf" : fmt::format("{:g}", static_cast<double>(uint64_t{1} << (n - 1)) / 1e6);
    out += fmt::format("vtpm_command_duration_seconds_bucket{{{},le=\"{}\"}} {}\n", labels, limit, below);
  }
  out += fmt::format("vtpm_command_duration_seconds_sum{{{}}} {:g}\n", labels,
                     static_cast<double>(number(device, "total_us")) / 1e6);
  out += fmt::format("vtpm_command_duration_seconds_count{{{}}} {}\n", labels, below);
}

}  // namespace

// What programs read that know PEM.
void print_pem(const json& answer) {
  const json& of = answer.contains("authority") ? answer["authority"] : answer["endorsement"];
  for (const char* key : {"certificate", "public_key"}) std::fputs(of.value(key, std::string()).c_str(), stdout);
}

void print_list(const json& answer) {
  line(fmt::format("{:<36}  {:<10}  {:>6}  {:>6}  {:<6}  {:<10}  {}", "UUID", "STATE", "EPOCH", "CYCLE", "DEVICE",
                   "STAGE", "LABEL"));
  for (const json& i : answer["instances"]) {
    const json& devices = i["devices"];
    std::string state = i.value("quarantined", false) ? "QUARANTINE" : text(i, "power");
    if (i.contains("move") && i["move"].value("state", "here") != "here") state = text(i["move"], "state");
    line(fmt::format("{:<36}  {:<10}  {:>6}  {:>6}  {:<6}  {:<10}  {}", text(i, "uuid"), state, number(i, "epoch"),
                     number(i, "power_cycle"), devices.empty() ? "-" : text(devices[0], "device"),
                     devices.empty() ? "-" : text(devices[0], "stage"), i["settings"].value("label", "")));
  }
}

void print_show(const json& answer) {
  if (answer.contains("endorsement") || answer.contains("authority")) return print_pem(answer);
  for (const auto& [key, value] : answer["instance"].items()) {
    if (key == "devices" || key == "settings") continue;
    if (key == "move") {
      print_move(value);
      continue;
    }
    line(fmt::format("{:<26} {}", key, value.is_string() ? value.get<std::string>() : value.dump()));
  }
  for (const auto& [key, value] : answer["instance"]["settings"].items()) {
    line(fmt::format("{:<26} {}", key, value.is_string() ? value.get<std::string>() : value.dump()));
  }
  for (const json& device : answer["instance"]["devices"]) {
    line(fmt::format("{:<26} {} {}, {} commands", "device", text(device, "device"), text(device, "stage"),
                     number(device, "commands")));
  }
}

void print_stats(const json& answer) {
  line(fmt::format("{:<8}  {:<10}  {:>8}  {:>10}  {:>8}  {:>8}  {:>9}  {:>9}", "DEVICE", "STAGE", "WORKER", "COMMANDS",
                   "ERRORS", "COMMITS", "HALF us", "99% us"));
  for (const json& d : answer["devices"]) {
    line(fmt::format("{:<8}  {:<10}  {:>8}  {:>10}  {:>8}  {:>8}  {:>9}  {:>9}", text(d, "device"), text(d, "stage"),
                     number(d, "worker"), number(d, "commands"), number(d, "errors"), number(d, "commits"),
                     quantile_us(d["took"], 0.5), quantile_us(d["took"], 0.99)));
  }
  line(
      fmt::format("TPMs made in advance: {} of {}", number(answer["pool"], "ready"), number(answer["pool"], "wanted")));
}

void print_peers(const json& answer) {
  auto one = [](const json& host, const char* note) {
    line(fmt::format("{:<32}  {}{}", text(host, "fingerprint"), text(host, "name"), note));
  };
  one(answer["own"], " (this host)");
  for (const json& peer : answer["peers"]) one(peer, "");
  for (const json& invitation : answer["invitations"]) {
    line("an invitation that was not used, for " + invitation.value("uuid", std::string("any instance")));
  }
}

void print_imported(const json& answer) {
  if (answer.contains("text")) {
    std::fprintf(stderr, "%s %s\n", text(answer, "uuid").c_str(), text(answer, "text").c_str());
    return;
  }
  std::string kind = text(answer, "imported");
  const char* became = kind == "export"  ? "has arrived; it may not run before the token"
                       : kind == "token" ? "runs here from now on"
                                         : "was not moved; its copy was discarded";
  std::fprintf(stderr, "%s %s\n", text(answer, "uuid").c_str(), became);
}

void print_findings(const json& answer) {
  for (const json& f : answer["findings"]) line(fmt::format("{:<8} {}", text(f, "level"), text(f, "text")));
  if (answer["findings"].empty()) line("nothing is wrong");
}

void print_events(const json& answer) {
  for (const json& event : answer["events"]) print_event(event);
}

void print_event(const json& event) {
  auto when = static_cast<time_t>(number(event, "time"));
  std::tm at{};
  ::gmtime_r(&when, &at);
  std::string clock(32, ' ');
  clock.resize(std::strftime(clock.data(), clock.size(), "%Y-%m-%dT%H:%M:%SZ", &at));
  line(fmt::format("{} {:<16} {} {}: {}", clock, text(event, "event"), text(event, "uuid"), text(event, "device"),
                   text(event, "text")));
  std::fflush(stdout);
}

uint64_t quantile_us(const json& took, double share) {
  uint64_t all = 0, below = 0, n = 0;
  for (const json& count : took) all += count.get<uint64_t>();
  if (all == 0) return 0;
  for (const json& count : took) {
    below += count.get<uint64_t>();
    if (static_cast<double>(below) >= share * static_cast<double>(all)) break;
    n++;
  }
  return uint64_t{1} << n;
}

std::string prometheus(const json& stats) {
  std::string out;
  struct Counter {
    const char *name, *key, *help;
  };
  auto labels = [](const json& device) {
    return fmt::format("uuid=\"{}\",device=\"{}\"", escaped(text(device, "uuid")), escaped(text(device, "device")));
  };
  for (const Counter& c : {Counter{"vtpm_commands_total", "commands", "Commands executed by the present worker."},
                           Counter{"vtpm_refused_total", "errors", "Requests that broke the protocol of the page."},
                           Counter{"vtpm_commits_total", "commits", "Changes of permanent state."}}) {
    out += fmt::format("# HELP {} {}\n# TYPE {} counter\n", c.name, c.help, c.name);
    for (const json& device : stats["devices"]) {
      out += fmt::format("{}{{{}}} {}\n", c.name, labels(device), number(device, c.key));
    }
  }
  out += "# HELP vtpm_up Whether a worker serves the device.\n# TYPE vtpm_up gauge\n";
  for (const json& device : stats["devices"]) {
    out += fmt::format("vtpm_up{{{}}} {}\n", labels(device), text(device, "stage") == "serving" ? 1 : 0);
  }
  out += "# HELP vtpm_pool_ready TPMs that lie ready for new instances.\n# TYPE vtpm_pool_ready gauge\n";
  out += fmt::format("vtpm_pool_ready {}\n", number(stats["pool"], "ready"));
  out += "# HELP vtpm_pool_wanted How many shall.\n# TYPE vtpm_pool_wanted gauge\n";
  out += fmt::format("vtpm_pool_wanted {}\n", number(stats["pool"], "wanted"));
  out += "# HELP vtpm_command_duration_seconds From taking a command to its response.\n";
  out += "# TYPE vtpm_command_duration_seconds histogram\n";
  for (const json& device : stats["devices"]) histogram(out, labels(device), device);
  return out;
}

}  // namespace backend
