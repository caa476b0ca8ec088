// SPDX-License-Identifier: MIT
// vtpmctl: asks the manager by its control socket and shows the answer.
#include <openssl/rand.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <thread>

#include "backend/control/ask.h"
#include "backend/control/base64.h"
#include "backend/control/check_store.h"
#include "backend/control/history_answers.h"
#include "backend/control/keep_commands.h"
#include "backend/control/measure_print.h"
#include "backend/control/move.h"
#include "backend/control/paper_files.h"
#include "backend/control/print.h"
#include "backend/control/recovery_key.h"
#include "backend/control/swtpm_import.h"
#include "backend/control/trace.h"
#include "backend/vault/vault.h"
#include "lib/base/verify.h"
#include "lib/base/version.h"

namespace {

using nlohmann::json;

struct Arguments {
  std::string runtime = "/run/vtpm";
  std::string uuid, label, reason, new_key, measure, write, read;
  std::vector<unsigned> localities;
  std::optional<bool> physical_presence, endorsement_key, enabled, activated;
  std::string to, out, receipt, file, trust, peer, host, ssh = "ssh";
  std::vector<std::string> recovery;
  std::string key, new_uuid, lost;
  backend::SwtpmImport swtpm;
  double wait_seconds = 0;
  bool withdraw = false, abort = false;
  bool lift = false, past = false, prometheus = false, ek = false, ca = false, log = false, raw = false;
  bool history = false, source_lost = false, yes = false, keep_identity = false;
  bool as_json = false;
};

constexpr int kBusy = 75;  // the instance is served, or its TPM is being made: EX_TEMPFAIL

struct Command {
  const char* name;
  const char* help;
  bool takes_uuid = false;
  void (*print)(const json&) = nullptr;
};

constexpr std::array kCommands = {
    Command{"list", "all instances and the devices that serve them", false, backend::print_list},
    Command{"show", "everything about one instance", true, backend::print_show},
    Command{"create", "make an instance, with its endorsement key", true},
    Command{"set", "change what an administrator decides for an instance", true},
    Command{"delete", "remove an instance for ever, with its keys", true},
    Command{"quarantine", "serve an instance no more until an administrator decides", true},
    Command{"power-cycle", "discard the standing state of an instance that nobody serves", true},
    Command{"rekey", "a new master key, and new keys for all instances, while they work"},
    Command{"invite", "invite an instance of another host to this one: writes an invitation"},
    Command{"export", "lock an instance and export it to an invitation, or end that", true},
    Command{"release", "give up an exported instance for ever: writes the token that lets it run there", true},
    Command{"import", "take an export, a token, the notice of an abort, a lost host's copy, or a TPM of swtpm", false,
            backend::print_imported},
    Command{"move", "move an instance to another host: invite, export, import and release by one command", true},
    Command{"peers", "the keys of this host and of those it knows", false, backend::print_peers},
    Command{"backup", "write a sealed copy of an instance, which may run", true, backend::print_backup},
    Command{"revert", "put an instance back to a backup, here or where its host is lost", true, backend::print_revert},
    Command{"clone", "make a new instance with the state of one that nobody runs", true, backend::print_clone},
    Command{"stats", "commands, commits and times of each device", false, backend::print_stats},
    Command{"events", "what happens, as it happens, until interrupted", false, backend::print_events},
    Command{"trace", "every command of an instance's guest and its response, secrets hidden, until interrupted", true},
    Command{"doctor", "what is wrong, and what to do about it", false, backend::print_findings},
    Command{"check-xenstore", "what of XenStore is not as it has to be, and who may have written it"},
};

json request_for(const Command& command, const Arguments& given) {
  json request = {{"command", command.name}};
  if (command.takes_uuid) request["uuid"] = given.uuid;
  if (!given.label.empty()) request["label"] = given.label;
  if (!given.reason.empty()) request["reason"] = given.reason;
  if (!given.new_key.empty()) request["new_key"] = given.new_key;
  if (!given.measure.empty()) request["measure"] = given.measure;
  if (given.lift) request["lift"] = true;
  if (given.ek) request["ek"] = true;
  if (given.ca) request["ca"] = true;
  if (given.log || given.raw) request["log"] = true;
  if (given.history) request["history"] = true;
  auto put = [&](const char* key, const std::optional<bool>& value) {
    if (value) request[key] = *value;
  };
  put("physical_presence_command", given.physical_presence);
  put("endorsement_key", given.endorsement_key);
  put("enabled", given.enabled);
  put("activated", given.activated);
  if (!given.localities.empty()) {
    unsigned mask = 0;
    for (unsigned locality : given.localities) mask |= 1U << locality;
    request["localities"] = mask;
  }
  if (!given.trust.empty()) request["trust"] = given.trust;
  if (!given.peer.empty()) request["forget"] = given.peer;
  if (given.withdraw) request["withdraw"] = true;
  if (given.abort) request["abort"] = true;
  if (given.source_lost) request["source_lost"] = true;
  if (given.yes) request["yes"] = true;
  if (given.keep_identity) request["keep_identity"] = true;
  if (std::string(command.name) == "clone") request["new_uuid"] = given.new_uuid;
  if (std::string(command.name) == "invite" && !given.uuid.empty()) request["uuid"] = given.uuid;
  if (!given.lost.empty()) {
    request["uuid"] = given.lost;
    request["source_lost"] = true;
  }
  if (std::string(command.name) == "events" && !given.past) request["follow"] = true;
  return request;
}

std::string not_a_uuid(const std::string& text) { return vault::uuid_in(text) ? std::string() : "not a uuid: " + text; }

std::string fresh_uuid() {
  vault::Uuid uuid{};
  VERIFY(RAND_bytes(uuid.data(), static_cast<int>(uuid.size())) == 1);
  uuid[6] = static_cast<uint8_t>((uuid[6] & 0x0f) | 0x40);  // random, as RFC 4122 has it
  uuid[8] = static_cast<uint8_t>((uuid[8] & 0x3f) | 0x80);
  return vault::text_of(uuid);
}

void describe_swtpm(CLI::App& sub, Arguments& given) {
  CLI::Option* directory = sub.add_option("--swtpm", given.swtpm.directory, "the state directory of a swtpm (TPM 1.2)");
  directory->excludes("file", "--out", "--trust");
  sub.add_option("--uuid", given.uuid, "of the new instance; otherwise one is made")
      ->check(not_a_uuid)
      ->needs(directory);
  sub.add_option("--label", given.label, "a text for people")->needs(directory);
  CLI::Option* key = sub.add_option("--key", given.swtpm.key_file, "the file of swtpm's --key file=")->needs(directory);
  sub.add_option("--key-format", given.swtpm.key_format, "hex, which is the default, or binary")
      ->check(CLI::IsMember({"hex", "binary"}))
      ->needs(key);
  CLI::Option* password =
      sub.add_option("--pwdfile", given.swtpm.password_file, "the file of swtpm's --key pwdfile=")->needs(directory);
  password->excludes(key);
  sub.add_option("--kdf", given.swtpm.kdf, "pbkdf2, which is the default, or sha512")
      ->check(CLI::IsMember({"pbkdf2", "sha512"}))
      ->needs(password);
}

void describe_move(CLI::App& sub, const std::string& name, Arguments& given) {
  const char* trust = "the fingerprint of the other host's key, when it is not known yet";
  if (name == "invite") {
    sub.add_option("--for", given.uuid, "for this instance alone; its device waits for it")->check(not_a_uuid);
    sub.add_option("--out", given.out, "where the invitation is written");
    sub.add_flag("--withdraw", given.withdraw, "end all that were not used, or those for one instance");
  } else if (name == "export") {
    sub.add_option("--to", given.to, "the invitation");
    sub.add_option("--out", given.out, "where the export is written, or the notice of an abort");
    sub.add_option("--trust", given.trust, trust);
    sub.add_option("--wait", given.wait_seconds, "seconds to wait for its guest to be suspended")
        ->check(CLI::Range(0.0, 86400.0));
    sub.add_flag("--abort", given.abort, "keep the instance; not possible any more when it has been released");
  } else if (name == "release") {
    sub.add_option("--receipt", given.receipt, "of the destination; not needed to get the token again");
    sub.add_option("--out", given.out, "where the token is written")->required();
  } else if (name == "import") {
    sub.add_option("file", given.file, "what the other host wrote");
    sub.add_option("--out", given.out, "where the receipt of an export is written");
    sub.add_option("--trust", given.trust, trust);
    sub.add_flag("--yes", given.yes, "do it; without it is only said what --swtpm or --source-lost would do")
        ->excludes("file");
    describe_swtpm(sub, given);
    sub.add_option("--source-lost", given.lost, "run its copy that has arrived: the host that had it never will again")
        ->check(not_a_uuid)
        ->excludes("file", "--out", "--trust", "--swtpm");
  } else if (name == "move") {
    sub.add_option("--ssh", given.host, "the other host, where root is reached by ssh")->required();
    sub.add_option("--ssh-command", given.ssh, "what reaches it, instead of ssh")->envname("VTPM_SSH");
    sub.add_option("--trust", given.trust, trust);
  } else if (name == "peers") {
    sub.add_option("--forget", given.peer, "the name of a host whose key has changed");
  }
}

void describe_keeping(CLI::App& sub, const std::string& name, Arguments& given) {
  if (name == "backup") {
    sub.add_option("file", given.out, "where the backup is written")->required();
    sub.add_option("--to", given.recovery, "a public key of X25519 in PEM, which can restore it elsewhere too");
  } else if (name == "clone") {
    sub.add_option("new_uuid", given.new_uuid, "of the new instance; one is made without it")->check(not_a_uuid);
    sub.add_flag("--keep-identity", given.keep_identity, "the new one has the same endorsement key and certificate");
  } else if (name == "revert") {
    sub.add_option("file", given.file, "the backup")->required();
    sub.add_flag("--yes", given.yes, "do it, and lose what its guest has stored since then");
    sub.add_option("--key", given.key, "the private recovery key, where the backup is another host's");
    sub.add_option("--trust", given.trust, "the fingerprint of the other host's key, when it is not known yet");
    sub.add_flag("--source-lost", given.source_lost, "the host that had it will never run it again");
  }
}

void describe(CLI::App& sub, const std::string& name, Arguments& given) {
  describe_move(sub, name, given);
  describe_keeping(sub, name, given);
  if (name == "show") {
    CLI::Option* uuid = sub.get_option("uuid");
    CLI::Option* ek = sub.add_flag("--ek", given.ek, "its endorsement key and the certificate of it, in PEM");
    CLI::Option* ca =
        sub.add_flag("--ca", given.ca, "the certificate that endorsement keys are certified with, in PEM");
    ca->excludes(uuid)->excludes(ek);
    CLI::Option* log =
        sub.add_flag("--log", given.log, "what was extended in this power cycle before the guest was served");
    sub.add_flag("--raw", given.raw, "the same as it stands, in the format of the TCG")->excludes(ek)->excludes(ca);
    log->excludes(ek)->excludes(ca);
    sub.add_flag("--history", given.history, "what happened to it in its life, also of one that was deleted")
        ->excludes(ek)
        ->excludes(ca)
        ->excludes(log);
  } else if (name == "quarantine") {
    sub.add_flag("--lift", given.lift, "end the quarantine: trust the stored state again");
    sub.add_option("--reason", given.reason, "why, for whoever reads it later");
  } else if (name == "rekey") {
    sub.add_option("--new-key", given.new_key, "the file of the new master key; needed when it is kept elsewhere");
  } else if (name == "stats") {
    sub.add_flag("--prometheus", given.prometheus, "in the text format of Prometheus");
  } else if (name == "events") {
    sub.add_flag("--past", given.past, "those that are remembered, and no more");
  } else if (name == "trace") {
    CLI::Option* read = sub.add_option("--read", given.read, "what such a file holds, instead of an instance's guest");
    sub.add_option("--write", given.write, "into this file in the format pcapng, instead of printing them")
        ->excludes(read);
    sub.get_option("uuid")->excludes(read);
  } else if (name == "set") {
    sub.add_option("--measure", given.measure, "from its next power-on: off, on or required")
        ->required()
        ->check(CLI::IsMember({"off", "on", "required"}));
  } else if (name == "create") {
    sub.add_option("--measure", given.measure, "whether what is booted is measured: off, on or required")
        ->check(CLI::IsMember({"off", "on", "required"}));
    sub.add_option("--label", given.label, "a text for people");
    sub.add_option("--localities", given.localities, "those the guest may claim, as 0,1,2")
        ->delimiter(',')
        ->check(CLI::Range(0, 4));
    sub.add_option("--physical-presence-command", given.physical_presence,
                   "whether software may assert physical presence");
    sub.add_option("--endorsement-key", given.endorsement_key, "whether it is made at once");
    sub.add_option("--enabled", given.enabled, "whether the TPM is made enabled");
    sub.add_option("--activated", given.activated, "whether the TPM is made activated");
  }
}

json as_json(const backend::StoreFinding& finding) {
  json able = json::array(), writers = json::array();
  for (xen::DomId domain : finding.able) able.push_back(static_cast<unsigned>(domain));
  for (size_t at = 0; at < finding.writers.size();) {
    std::string_view one = finding.writers.substr(at, finding.writers.find(',', at) - at);
    writers.push_back(one);
    at += one.size() + 1;
  }
  return {{"path", finding.path}, {"kind", finding.kind}, {"what", finding.what},
          {"writers", writers},   {"able", able},         {"text", finding.text()}};
}

// Needs no manager.
int check_xenstore(const Arguments& given) {
  auto store = xen::Store::open();
  auto checked = store.ok() ? backend::check_store(store.value()) : xen::Result<backend::StoreCheck>(store.error());
  if (!checked.ok()) {
    std::string why = checked.error().text() + (store.ok() ? "" : "; is xenstored running? See `vtpmctl doctor`");
    if (given.as_json) std::printf("%s\n", json{{"ok", false}, {"error", why}}.dump(2).c_str());
    std::fprintf(stderr, "vtpmctl: %s\n", why.c_str());
    return 2;
  }
  const backend::StoreCheck& check = checked.value();
  json findings = json::array();
  for (const auto& finding : check.findings) findings.push_back(as_json(finding));
  if (given.as_json) {
    std::printf("%s\n", json{{"ok", true}, {"devices", check.devices}, {"findings", findings}}.dump(2).c_str());
  } else {
    for (const auto& finding : check.findings) std::printf("%s\n", finding.text().c_str());
    if (findings.empty()) std::printf("devices: %zu; all is as it has to be\n", check.devices);
  }
  return findings.empty() ? 0 : 1;
}

bool has_errors(const json& answer) {
  for (const json& f : answer.value("findings", json::array())) {
    if (f.value("level", "") == "error") return true;
  }
  return false;
}

int follow(backend::Control& control, json answer, bool as_json) {
  for (const json& event : answer["events"])
    as_json ? void(std::printf("%s\n", event.dump().c_str())) : backend::print_event(event);
  std::fflush(stdout);
  while (auto event = control.next()) {
    if (as_json) {
      std::printf("%s\n", event->dump().c_str());
      std::fflush(stdout);
    } else {
      backend::print_event(*event);
    }
  }
  std::fprintf(stderr, "vtpmctl: the manager has gone\n");
  return 1;
}

// What the command takes from a file and where its answer goes to one; false: it cannot be asked, which has been said.
bool prepare_papers(const std::string& name, const Arguments& given, json& request) {
  auto complain = [](const char* text) { return std::fprintf(stderr, "vtpmctl: %s\n", text) < 0; };
  bool writes = (name == "invite" && !given.withdraw) || name == "release" || (name == "export" && !given.abort);
  if (writes && given.out.empty()) return complain("say with --out where the file is to be written");
  if (name == "export" && given.abort == !given.to.empty()) return complain("say --to INVITATION, or --abort");
  if (!given.out.empty() && !backend::can_write_paper(given.out)) return false;
  if (name == "import" && given.file.empty() && given.lost.empty()) {
    return complain("say which file is to be imported, or --swtpm DIR, or --source-lost UUID");
  }
  const std::string& in = name == "export" ? given.to : name == "release" ? given.receipt : given.file;
  if (in.empty()) return true;
  auto paper = backend::read_paper(in);
  if (paper) request["paper"] = *paper;
  return paper.has_value();
}

// The same of recovery keys.
bool prepare_keys(const Arguments& given, json& request) {
  for (const std::string& path : given.recovery) {
    auto key = backend::read_recovery_key(path);
    if (!key) return false;
    request["to"].push_back(backend::base64(*key));
  }
  if (given.key.empty()) return true;
  auto file = backend::from_base64(request.value("paper", std::string()));
  auto key = file ? backend::recover_file_key(given.key, *file) : std::nullopt;
  if (key) request["key"] = backend::base64(key->reveal());
  return key.has_value();
}

// Again while the copy is made.
json ask_until_made(backend::Control& control, const json& request) {
  json answer = control.ask(request);
  for (int tries = 0; answer.value("making", false) && tries < 1500; tries++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    answer = control.ask(request);
  }
  return answer;
}

// Again while it is busy, for as long as that was asked for.
json ask_patiently(const Arguments& given, backend::Control& control, const json& request) {
  auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(given.wait_seconds);
  while (true) {
    json answer = control.ask(request);
    if (!answer.value("busy", false) || std::chrono::steady_clock::now() > end) return answer;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

int move(const Arguments& given) {
  std::string wrong = backend::move_instance({given.runtime, given.uuid, given.host, given.ssh, given.trust});
  if (given.as_json) {
    std::printf("%s\n", (wrong.empty() ? json{{"ok", true}} : json{{"ok", false}, {"error", wrong}}).dump(2).c_str());
  } else if (!wrong.empty()) {
    std::fprintf(stderr, "vtpmctl: %s\n", wrong.c_str());
  }
  return wrong.empty() ? 0 : 1;
}

int import_swtpm(Arguments& given) {
  given.swtpm.runtime = given.runtime;
  given.swtpm.uuid = given.uuid;
  given.swtpm.label = given.label;
  given.swtpm.yes = given.yes;
  json answer = backend::import_from_swtpm(given.swtpm);
  bool ok = answer.value("ok", false);
  if (given.as_json) {
    std::printf("%s\n", answer.dump(2).c_str());
  } else if (ok) {
    backend::print_swtpm(answer);
  } else {
    std::fprintf(stderr, "vtpmctl: %s\n", answer.value("error", std::string("failed")).c_str());
  }
  return ok ? 0 : answer.value("busy", false) ? kBusy : 1;
}

int run(const Command& command, Arguments& given) {
  std::string name = command.name;
  if (name == "import" && !given.swtpm.directory.empty()) return import_swtpm(given);
  if (name == "check-xenstore") return check_xenstore(given);
  if (name == "move") return move(given);
  if (name == "clone" && given.new_uuid.empty()) given.new_uuid = fresh_uuid();
  if (name == "trace")
    return backend::trace_instance({given.runtime, given.uuid, given.write, given.read, given.as_json});
  backend::Control control(given.runtime + "/control.sock");
  json request = request_for(command, given);
  if (!prepare_papers(name, given, request) || !prepare_keys(given, request)) return 1;
  json answer = name == "clone" ? ask_until_made(control, request) : ask_patiently(given, control, request);
  if (answer.contains("paper") && !given.out.empty()) {
    if (!backend::write_paper(given.out, answer["paper"].get<std::string>())) return 1;
    answer.erase("paper");
  }
  if (name == "doctor" && control.unreachable()) {
    json findings = backend::host_findings();
    findings.push_back({{"level", "error"}, {"text", answer["error"]}});
    answer = {{"ok", true}, {"findings", findings}};
  }
  bool ok = answer.value("ok", false);
  if (ok && name == "events" && !given.past) return follow(control, std::move(answer), given.as_json);
  if (!ok && !given.as_json) {
    std::fprintf(stderr, "vtpmctl: %s\n", answer.value("error", std::string("failed")).c_str());
  } else if (ok && given.raw) {
    ok = backend::write_event_log(answer);
  } else if (ok && given.prometheus) {
    std::fputs(backend::prometheus(answer).c_str(), stdout);
  } else if (given.as_json) {
    std::printf("%s\n", answer.dump(2).c_str());
  } else if (given.log) {
    backend::print_event_log(answer);
  } else if (given.history) {
    backend::print_history(answer);
  } else if (command.print != nullptr) {
    command.print(answer);
  }
  if (answer.value("busy", false)) return kBusy;
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
  app.set_version_flag("--version", std::string(base::kVersion));
  for (const Command& command : kCommands) {
    CLI::App* sub = app.add_subcommand(command.name, command.help);
    if (command.takes_uuid) {
      // What belongs to the host is shown without one; the manager asks for it otherwise.
      sub->add_option("uuid", given.uuid, "the instance")
          ->required(std::string(command.name) != "show" && std::string(command.name) != "trace")
          ->check(not_a_uuid);
    }
    describe(*sub, command.name, given);
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
