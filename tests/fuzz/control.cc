// SPDX-License-Identifier: MIT
// The administrator's socket: whatever a line holds, one line of JSON with "ok" comes back. Instances are made and
// removed by it; XenStore and Xen are sockets that nobody answers, because no command of the socket asks them anything.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "backend/control/commands.h"
#include "backend/vault/sqlite.h"
#include "tests/fuzz/law.h"

namespace {

using fuzz::law;

std::string listen_at(const std::string& path, int type) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  int listening = socket(AF_UNIX, type, 0);
  law(bind(listening, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && listen(listening, 4) == 0,
      "a socket can be bound");
  return path;
}

struct Rig {
  std::string directory;
  std::unique_ptr<vault::SqliteVault> vault;
  backend::Loop loop;
  std::optional<backend::Certifier> certifier;
  std::optional<backend::Manager> manager;

  Rig() {
    char name[] = "/tmp/vtpm-fuzz-XXXXXX";
    law(mkdtemp(name) != nullptr, "there is room for a vault");
    directory = name;
    setenv("XENSTORED_PATH", listen_at(directory + "/xenstored", SOCK_STREAM).c_str(), 1);
    setenv("XEN_LOOPBACK_SOCKET", listen_at(directory + "/loopback", SOCK_SEQPACKET).c_str(), 1);
    auto opened = vault::SqliteVault::open({.directory = directory});
    law(opened.ok(), "a vault opens");
    vault = std::move(opened).take();
    auto store = xen::Store::open();
    auto domains = xen::Domains::open();
    law(store.ok() && domains.ok(), "Xen's libraries open");
    certifier.emplace(loop, *vault, backend::Certifier::Options{directory, "", ""});
    law(certifier->begin().ok(), "an authority is begun");
    manager.emplace(loop, std::move(store).take(), std::move(domains).take(), *vault, *certifier,
                    backend::Spawner(directory, "/bin/false"), backend::Policy{.state_directory = directory});
    for (uint8_t i = 0; i < 3; i++) law(vault->create(vault::Uuid{i}, {}).ok(), "an instance is made");
  }
  ~Rig() { std::filesystem::remove_all(directory); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Rig rig;
  std::string line(data, data + size);
  std::string answer = backend::answer(*rig.manager, line).line;
  law(answer.find('\n') == std::string::npos, "an answer is one line");
  auto json = nlohmann::json::parse(answer, nullptr, false);
  law(json.is_object() && json.contains("ok") && json["ok"].is_boolean(), "an answer says whether it is ok");
  law(json["ok"].get<bool>() || (json.contains("error") && json["error"].is_string()), "a refusal says why");
  return 0;
}
