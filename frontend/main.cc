// SPDX-License-Identifier: MIT
// vtpm-frontend: this domain's vTPM for programs, without the kernel's driver.
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "frontend/privileges.h"
#include "frontend/proxy_device.h"
#include "frontend/rival.h"
#include "frontend/stream_clients.h"
#include "lib/base/log.h"

namespace {

using base::Level;
using frontend::Fd;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct Options {
  std::string listen, user;
  bool device = false;
  unsigned number = 0;
  frontend::Shim::Protocol protocol = frontend::Shim::Protocol::AsAnnounced;
  unsigned extra_pages = 0;
  unsigned connect_seconds = 30;
  unsigned command_seconds = 300;  // the longest duration a TPM 1.2 reports
};

// As the unit of systemd knows them.
constexpr int kFailed = 1, kMisused = 2, kRival = 3;

Fd signals_to_end() {
  sigset_t ending;
  sigemptyset(&ending);
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&ending, signal);
  sigprocmask(SIG_BLOCK, &ending, nullptr);
  return Fd(signalfd(-1, &ending, SFD_CLOEXEC));
}

int fail(const xen::SysError& error) {
  base::log(Level::Error, error.text());
  return error.number == EBUSY ? kRival : kFailed;
}

using AllClients = std::vector<std::unique_ptr<frontend::Clients>>;

xen::Result<AllClients> make_clients(const Options& options) {
  AllClients all;
  if (!options.listen.empty()) {
    all.push_back(TRY(frontend::StreamClients::listen(options.listen, frontend::packet_bytes(options.extra_pages))));
    base::log(Level::Info, "listening on " + options.listen);
  }
  if (options.device) {
    auto device = TRY(frontend::ProxyDevice::make());
    base::log(Level::Info, "the TPM is " + device->name());
    all.push_back(std::move(device));
  }
  return all;
}

// Until told to end, or the device is somebody else's.
xen::Result<> serve(frontend::Shim& shim, const AllClients& all, int ending, const Options& options) {
  frontend::Session session(shim, {seconds(options.connect_seconds), seconds(options.command_seconds)});
  std::vector<pollfd> set(all.size() + 2);
  set[0] = {ending, POLLIN, 0};
  set[1] = {shim.fd(), POLLIN, 0};
  while (true) {
    for (size_t i = 0; i < all.size(); i++) set[i + 2] = {all[i]->fd(), POLLIN, 0};
    if (poll(set.data(), set.size(), -1) < 0) continue;
    if (set[0].revents != 0) return {};
    if (set[1].revents != 0) TRY(session.look());
    for (size_t i = 0; i < all.size(); i++) {
      if (set[i + 2].revents != 0) TRY(all[i]->serve(session));
    }
  }
}

xen::Result<> run(const Options& options) {
  // First of all, so that it holds nothing else.
  auto keeper = TRY(frontend::Keeper::start());
  Fd ending = signals_to_end();
  auto shim =
      TRY(frontend::Shim::open(options.number, options.protocol, std::move(keeper), ending.get(), options.extra_pages));
  unsigned domain = TRY(shim->domain());
  Fd lock = TRY(frontend::lock_device(domain, options.number));
  TRY(shim->connect(seconds(options.connect_seconds)));
  // Only now, so that who can connect finds a TPM.
  AllClients all = TRY(make_clients(options));
  if (!options.user.empty()) TRY(frontend::become(options.user));
  return serve(*shim, all, ending.get(), options);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"This domain's vTPM for programs, without the kernel's driver."};
  app.add_option("--listen", options.listen, "offer the raw TPM byte stream on unix:PATH or tcp:HOST:PORT");
  app.add_flag("--device", options.device, "make /dev/tpmN through /dev/vtpmx");
  app.add_option("--number", options.number, "which of the domain's vTPMs, by default the first")
      ->check(CLI::Range(0, 65535));
  using Protocol = frontend::Shim::Protocol;
  app.add_option("--protocol", options.protocol,
                 "the version of the ring, v1 or v2, instead of what the backend announces")
      ->transform(CLI::CheckedTransformer(std::map<std::string, Protocol>{{"v1", Protocol::V1}, {"v2", Protocol::V2}}));
  app.add_option("--extra-pages", options.extra_pages,
                 "share so many more pages for longer commands, if the backend takes them")
      ->check(CLI::Range(size_t{0}, frontend::kMostExtraPages));
  app.add_option("--user", options.user, "become this user after set-up");
  app.add_option("--connect-timeout", options.connect_seconds, "seconds to wait for the backend");
  app.add_option("--command-timeout", options.command_seconds, "seconds until a command is cancelled");
  CLI11_PARSE(app, argc, argv);
  base::log_name("vtpm-frontend");
  if (options.listen.empty() && !options.device) {
    base::log(Level::Error, "nothing to do without --device or --listen; see --help");
    return kMisused;
  }
  if (auto rival = frontend::kernel_driver_of(options.number)) {
    base::log(Level::Error, *rival);
    return kRival;
  }
  auto done = run(options);
  return done.ok() ? 0 : fail(done.error());
}
