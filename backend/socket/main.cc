// SPDX-License-Identifier: MIT
// vtpm-socketd: one TPM 1.2 behind a socket, without Xen.
#include <poll.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>

#include "backend/socket/connection.h"
#include "backend/socket/host.h"
#include "backend/socket/listener.h"
#include "lib/base/log.h"

namespace {

using base::Level;
using socketd::Or;

struct Options {
  std::string listen;
  std::string state;
  std::string startup = "clear";
  std::string factory = "ready";
  std::string ctrl;
  int log_level = static_cast<int>(Level::Info);
};

int fail(const std::string& text) {
  base::log(Level::Error, text);
  return 1;
}

tpm::Settings settings() {
  tpm::Settings settings;
  settings.buffer_bytes = socketd::kBufferBytes;
  return settings;
}

Or<std::unique_ptr<tpm::Engine>> manufacture(socketd::Host& host, const Options& options) {
  base::log(Level::Notice, options.state.empty() ? "makes a new TPM, which is forgotten at the end: see --state"
                                                 : "there is no " + options.state + " yet: makes a new TPM");
  auto engine = tpm::Engine::manufacture(host, settings(), {.endorsement_key = options.factory == "ready"});
  if (engine == nullptr) return std::string("the new TPM could not be stored");
  return engine;
}

Or<std::unique_ptr<tpm::Engine>> make_engine(socketd::Host& host, const socketd::StateFile* file,
                                             const Options& options) {
  if (file == nullptr) return manufacture(host, options);
  auto permanent = TRY(file->read());
  if (!permanent) return manufacture(host, options);
  auto engine = tpm::Engine::load(host, settings(), *permanent);
  if (engine.ok()) return std::move(engine).take();
  bool newer = engine.error() != tpm::StateError::Malformed;
  return "the state " + file->path() + (newer ? " was written by another version of this program" : " is malformed") +
         ". It is left as it is. Use the version that wrote it, restore it from a backup, or give another --state";
}

// TPM_Startup(ST_STATE), as firmware sends it after a sleep; Engine::startup() sends the others.
void start_from_saved_state(tpm::Engine& engine) {
  constexpr std::array<uint8_t, 12> kCommand = {0x00, 0xc1, 0, 0, 0, 12, 0, 0, 0, 0x99, 0, 2};
  std::array<uint8_t, 16> response{};
  size_t n = engine.execute(0, base::ForeignBytes::read_only(kCommand), base::ForeignBytes(response));
  base::View code = base::View(response).subspan(6, 4);
  if (n == 10 && std::ranges::all_of(code, [](uint8_t byte) { return byte == 0; })) return;
  base::log(Level::Error, "there is no saved state to start from: the TPM answers TPM_FAILEDSELFTEST");
}

void start_up(tpm::Engine& engine, const std::string& how) {
  engine.power_on();
  if (how == "none") return;
  if (how == "state") return start_from_saved_state(engine);
  if (!engine.startup(how == "deactivated")) base::log(Level::Error, "the TPM failed its self-test");
}

int serve(const Options& options) {
  socketd::Ending ending;
  std::optional<socketd::StateFile> file;
  if (!options.state.empty()) {
    auto opened = socketd::StateFile::open(options.state);
    if (!opened.ok()) return fail(opened.error());
    file.emplace(std::move(opened).take());
  }
  auto listener = socketd::Listener::open(options.listen);
  if (!listener.ok()) return fail(listener.error());
  if (!listener.value().local()) {
    base::log(Level::Warning, "whoever can reach this port commands the TPM: nothing is asked, nothing is encrypted");
  }
  socketd::Host host(ending, file ? &*file : nullptr);
  auto engine = make_engine(host, file ? &*file : nullptr, options);
  if (!engine.ok()) return ending.asked() ? 0 : fail(engine.error());
  start_up(*engine.value(), options.startup);
  base::log(Level::Info, "ready on " + listener.value().address());
  while (!ending.before(listener.value().fd(), POLLIN)) {
    vault::Fd client = listener.value().accept();
    if (client) socketd::Connection(std::move(client), *engine.value(), ending).serve();
  }
  base::log(Level::Info, "ending: the TPM loses its power");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"One TPM 1.2 behind a socket: the raw byte stream that TrouSerS and test suites speak.", "vtpm-socketd"};
  app.add_option("--listen", options.listen, "tcp:HOST:PORT (port 0: any free one) or unix:PATH")->required();
  app.add_option("--state", options.state, "keep the permanent state in this file; without it, it is forgotten");
  app.add_option("--startup", options.startup, "the TPM_Startup that is done at the start")
      ->check(CLI::IsMember({"clear", "state", "deactivated", "none"}))
      ->capture_default_str();
  app.add_option("--factory", options.factory, "a new TPM: ready has an endorsement key, bare has none")
      ->check(CLI::IsMember({"ready", "bare"}))
      ->capture_default_str();
  app.add_option("--ctrl", options.ctrl, "swtpm's control protocol; not part of this release");
  app.add_option("--log-level", options.log_level, "3 errors, 4 warnings, 5 notices, 6 information, 7 everything")
      ->check(CLI::Range(3, 7))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  base::log_name("vtpm-socketd");
  base::log_level(static_cast<Level>(options.log_level));
  if (!options.ctrl.empty()) return fail("--ctrl is not part of this release; only the raw byte stream of --listen is");
  if (::signal(SIGPIPE, SIG_IGN) == SIG_ERR) return 1;
  return serve(options);
}
