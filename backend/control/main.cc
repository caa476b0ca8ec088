// SPDX-License-Identifier: MIT
// vtpmctl: asks the manager by its control socket and shows the answer.
#include <sys/socket.h>
#include <sys/un.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "backend/vault/durable.h"

namespace {

using nlohmann::json;

json failure(const std::string& text) { return {{"ok", false}, {"error", text}}; }

json ask(const std::string& path, const json& request) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return failure("the socket's path is too long");
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  vault::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || ::connect(fd.get(), generic, sizeof(address)) != 0) {
    return failure("cannot reach the manager at " + path + ": " + strerror(errno) + "; is vtpm-managerd running?");
  }
  std::string line = request.dump() + "\n";
  if (::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size())) {
    return failure("the manager closed the connection");
  }
  std::string reply;
  std::array<char, 4096> chunk{};
  while (reply.find('\n') == std::string::npos) {
    ssize_t n = ::recv(fd.get(), chunk.data(), chunk.size(), 0);
    if (n <= 0) return failure("the manager closed the connection");
    reply.append(chunk.data(), static_cast<size_t>(n));
  }
  json answer = json::parse(reply, nullptr, false);
  return answer.is_object() ? answer : failure("the manager's answer is not understood");
}

std::string text(const json& j, const char* key) { return j.value(key, std::string("-")); }
std::string number(const json& j, const char* key) { return std::to_string(j.value(key, uint64_t{0})); }

void print_list(const json& answer) {
  std::printf("%-36s  %-10s  %6s  %6s  %-6s  %s\n", "UUID", "STATE", "EPOCH", "CYCLE", "DEVICE", "STAGE");
  for (const json& i : answer["instances"]) {
    const json& devices = i["devices"];
    std::string state = i.value("quarantined", false) ? "QUARANTINE" : text(i, "power");
    std::printf("%-36s  %-10s  %6s  %6s  %-6s  %s\n", text(i, "uuid").c_str(), state.c_str(),
                number(i, "epoch").c_str(), number(i, "power_cycle").c_str(),
                devices.empty() ? "-" : text(devices[0], "device").c_str(),
                devices.empty() ? "-" : text(devices[0], "stage").c_str());
  }
}

void print_show(const json& answer) {
  for (const auto& [key, value] : answer["instance"].items()) {
    if (key == "devices") continue;
    std::printf("%-12s %s\n", key.c_str(), value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
  }
  for (const json& device : answer["instance"]["devices"]) std::printf("%-12s %s\n", "device", device.dump().c_str());
}

void print_stats(const json& answer) {
  std::printf("%-8s  %-10s  %8s  %10s  %8s  %8s\n", "DEVICE", "STAGE", "WORKER", "COMMANDS", "ERRORS", "COMMITS");
  for (const json& d : answer["devices"]) {
    std::printf("%-8s  %-10s  %8s  %10s  %8s  %8s\n", text(d, "device").c_str(), text(d, "stage").c_str(),
                number(d, "worker").c_str(), number(d, "commands").c_str(), number(d, "errors").c_str(),
                number(d, "commits").c_str());
  }
}

void print_doctor(const json& answer) {
  for (const json& f : answer["findings"]) std::printf("%-8s %s\n", text(f, "level").c_str(), text(f, "text").c_str());
}

bool has_errors(const json& answer) {
  if (!answer.contains("findings")) return false;
  for (const json& f : answer["findings"]) {
    if (text(f, "level") == "error") return true;
  }
  return false;
}

struct Command {
  const char* name;
  const char* help;
  bool takes_uuid = false;
  void (*print)(const json&) = nullptr;
  bool present = true;
};
constexpr const char* kAbsent = "not in this version";

constexpr std::array kCommands = {
    Command{"list", "all instances and the devices that serve them", false, print_list},
    Command{"show", "everything about one instance", true, print_show},
    Command{"delete", "remove an instance for ever, with its keys", true},
    Command{"power-cycle", "discard the standing state of an instance that nobody serves", true},
    Command{"quarantine", "serve an instance no more until an administrator decides", true},
    Command{"stats", "commands, errors and commits of each device", false, print_stats},
    Command{"doctor", "what is wrong, and what to do about it", false, print_doctor},
    Command{"create", "not in this version: an instance is made when a device with a new uuid connects", false, nullptr,
            false},
    Command{"rekey", kAbsent, false, nullptr, false},
    Command{"invite", kAbsent, false, nullptr, false},
    Command{"export", kAbsent, false, nullptr, false},
    Command{"import", kAbsent, false, nullptr, false},
    Command{"release", kAbsent, false, nullptr, false},
    Command{"clone", kAbsent, false, nullptr, false},
    Command{"backup", "not in this version: stop the manager and copy its state directory", false, nullptr, false},
    Command{"events", "not in this version: see the manager's log", false, nullptr, false},
    Command{"trace", kAbsent, false, nullptr, false},
    Command{"check-xenstore", kAbsent, false, nullptr, false},
};

struct Arguments {
  std::string runtime = "/run/vtpm";
  std::string uuid;
  bool lift = false;
  bool as_json = false;
};

json answer_to(const Command& command, const std::string& socket, const Arguments& given) {
  if (!command.present) return failure(std::string(command.name) + ": " + command.help);
  json request = {{"command", command.name}};
  if (command.takes_uuid) request["uuid"] = given.uuid;
  if (given.lift) request["lift"] = true;
  return ask(socket, request);
}

int run(const Command& command, const Arguments& given) {
  json answer = answer_to(command, given.runtime + "/control.sock", given);
  bool ok = answer.value("ok", false);
  if (given.as_json) {
    std::printf("%s\n", answer.dump(2).c_str());
  } else if (!ok) {
    std::fprintf(stderr, "vtpmctl: %s\n", answer.value("error", std::string("failed")).c_str());
  } else if (command.print != nullptr) {
    command.print(answer);
  }
  return ok && !has_errors(answer) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Administers the virtual TPMs of this host.", "vtpmctl"};
  app.require_subcommand(1);
  app.fallthrough();
  Arguments given;
  app.add_option("--runtime-dir", given.runtime, "where the manager's control socket is")
      ->envname("VTPM_RUNTIME_DIR")
      ->capture_default_str();
  app.add_flag("--json", given.as_json, "print the answer as JSON");
  for (const Command& command : kCommands) {
    CLI::App* sub = app.add_subcommand(command.name, command.help);
    if (command.takes_uuid) sub->add_option("uuid", given.uuid, "the instance")->required();
    if (std::string(command.name) == "quarantine") sub->add_flag("--lift", given.lift, "end the quarantine");
    if (!command.present) sub->allow_extras();
  }
  CLI11_PARSE(app, argc, argv);
  try {
    for (const Command& command : kCommands) {
      if (app.got_subcommand(command.name)) return run(command, given);
    }
  } catch (const json::exception&) {
    std::fprintf(stderr, "vtpmctl: the manager's answer is not understood: are both of one version?\n");
  }
  return 1;
}
