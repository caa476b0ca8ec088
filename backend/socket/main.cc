// SPDX-License-Identifier: MIT
// vtpm-socketd: one TPM 1.2 behind a socket, without Xen.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <map>

#include "backend/socket/maker.h"
#include "backend/socket/server.h"
#include "lib/base/log.h"

namespace {

using base::Level;
using socketd::Device;
using socketd::Listener;
using socketd::Or;
using socketd::Part;
using socketd::StateFile;

const std::map<std::string, Device::Startup> kStartups = {{"clear", Device::Startup::Clear},
                                                          {"deactivated", Device::Startup::Deactivated},
                                                          {"none", Device::Startup::None},
                                                          {"state", Device::Startup::State}};

struct Options {
  std::string listen;
  std::string state;
  std::string startup = "clear";
  std::string factory = "ready";
  std::string ctrl;
  std::string ca_certificate, ca_key;
  int log_level = static_cast<int>(Level::Info);
};

int fail(const std::string& text) {
  base::log(Level::Error, text);
  return 1;
}

Or<std::unique_ptr<tpm::Engine>> manufacture(socketd::Host& host, const Options& options) {
  base::log(Level::Notice, options.state.empty() ? "makes a new TPM, which is forgotten at the end: see --state"
                                                 : "there is no " + options.state + " yet: makes a new TPM");
  auto factory = TRY(socketd::factory(options.factory == "ready", options.ca_certificate, options.ca_key));
  auto engine = tpm::Engine::manufacture(host, Device::settings(), factory);
  if (engine == nullptr) return std::string("the new TPM could not be stored");
  return engine;
}

Or<std::unique_ptr<tpm::Engine>> make_engine(socketd::Host& host, const StateFile* file, const Options& options) {
  if (file == nullptr) return manufacture(host, options);
  auto permanent = TRY(file->read(Part::Permanent));
  if (!permanent) return manufacture(host, options);
  auto engine = tpm::Engine::load(host, Device::settings(), *permanent);
  if (engine.ok()) return std::move(engine).take();
  bool newer = engine.error() != tpm::StateError::Malformed;
  return "the state " + file->path() + (newer ? " was written by another version of this program" : " is malformed") +
         ". It is left as it is. Use the version that wrote it, restore it from a backup, or give another --state";
}

// Nothing for an empty address.
Or<std::optional<Listener>> listen(const std::string& address) {
  if (address.empty()) return std::optional<Listener>();
  auto listener = TRY(Listener::open(address));
  if (!listener.local()) {
    base::log(Level::Warning, "whoever can reach this port commands the TPM: nothing is asked, nothing is encrypted");
  }
  return std::optional(std::move(listener));
}

int serve(const Options& options) {
  socketd::Ending ending;
  std::optional<StateFile> file;
  if (!options.state.empty()) {
    auto opened = StateFile::open(options.state);
    if (!opened.ok()) return fail(opened.error());
    file.emplace(std::move(opened).take());
  }
  const StateFile* kept = file ? &*file : nullptr;
  auto stream = listen(options.listen);
  if (!stream.ok()) return fail(stream.error());
  auto control = listen(options.ctrl);
  if (!control.ok()) return fail(control.error());
  socketd::Host host(ending, kept);
  auto engine = make_engine(host, kept, options);
  if (!engine.ok()) return ending.asked() ? 0 : fail(engine.error());
  Device device(host, kept, std::move(engine).take());
  device.power_on(kStartups.at(options.startup));
  if (control.value()) base::log(Level::Info, "control on " + control.value()->address());
  base::log(Level::Info, stream.value() ? "ready on " + stream.value()->address() : "ready");
  socketd::Server(device, host, ending, std::move(stream).take(), std::move(control).take()).run();
  base::log(Level::Info, "ending: the TPM loses its power");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{
      "One TPM 1.2 behind a socket: the raw byte stream that TrouSerS and test suites speak, and swtpm's control "
      "protocol for QEMU.",
      "vtpm-socketd"};
  app.add_option("--listen", options.listen, "the byte stream: tcp:HOST:PORT (port 0: any free one) or unix:PATH");
  app.add_option("--ctrl", options.ctrl, "swtpm's control protocol: the same forms");
  app.add_option("--state", options.state, "keep the permanent state in this file; without it, it is forgotten");
  app.add_option("--startup", options.startup, "the TPM_Startup that is done at the start")
      ->check(CLI::IsMember(kStartups))
      ->capture_default_str();
  app.add_option("--factory", options.factory, "a new TPM: ready has an endorsement key, bare has none")
      ->check(CLI::IsMember({"ready", "bare"}))
      ->capture_default_str();
  app.add_option(
      "--ca-certificate", options.ca_certificate,
      "the file of the certificate, in PEM, that the endorsement key of a new TPM is certified with; without it, it "
      "has no certificate");
  app.add_option("--ca-key", options.ca_key, "the file of its key, in PEM without a password");
  app.add_option("--log-level", options.log_level, "3 errors, 4 warnings, 5 notices, 6 information, 7 everything")
      ->check(CLI::Range(3, 7))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  base::log_name("vtpm-socketd");
  base::log_level(static_cast<Level>(options.log_level));
  if (options.listen.empty() && options.ctrl.empty()) return fail("give --listen or --ctrl, or both");
  if (::signal(SIGPIPE, SIG_IGN) == SIG_ERR) return 1;
  return serve(options);
}
