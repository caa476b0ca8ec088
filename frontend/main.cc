// SPDX-License-Identifier: MIT
// vtpm-frontend: this domain's vTPM for programs, without the kernel's driver.
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "frontend/shim.h"
#include "frontend/stream.h"
#include "lib/base/log.h"

namespace {

using frontend::Fd;
using std::chrono::milliseconds;

struct Options {
  std::string listen;
  bool device = false;
  unsigned number = 0;
  unsigned connect_seconds = 30;
  unsigned command_seconds = 300;  // the longest duration a TPM 1.2 reports
};

class Server {
 public:
  Server(frontend::Shim& shim, Fd listening, Fd signals, const Options& options)
      : shim_(shim), listening_(std::move(listening)), signals_(std::move(signals)), options_(options) {}

  // Serves one client after the other until told to end.
  void run() {
    while (!ending_) {
      pollfd set[] = {{client_ ? client_.get() : listening_.get(), POLLIN, 0},
                      {shim_.fd(), POLLIN, 0},
                      {signals_.get(), POLLIN, 0}};
      if (poll(set, std::size(set), -1) < 0) continue;
      if (set[2].revents != 0) ending_ = true;
      if (set[1].revents != 0) look();
      if (set[0].revents != 0 && !client_) {
        client_ = Fd(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        stream_ = {};
      } else if (set[0].revents != 0) {
        receive();
      }
    }
  }

 private:
  void look() {
    auto seen = shim_.look();
    if (seen.ok() && shim_.connected()) return;
    base::log(base::Level::Warning, seen.ok() ? "the backend has closed the device" : seen.error().text());
    // Whoever waits for it will reconnect, with the next command; a gone XenStore cannot be waited for.
    ending_ = !seen.ok();
  }

  void receive() {
    uint8_t buffer[4096];
    ssize_t n = recv(client_.get(), buffer, sizeof(buffer), 0);
    if (n < 0 && errno == EINTR) return;
    if (n <= 0) return hang_up();
    stream_.append({buffer, static_cast<size_t>(n)});
    while (auto command = stream_.next()) {
      if (!answer(execute(*command))) return hang_up();
    }
    if (!stream_.lost()) return;
    answer(frontend::error_response(frontend::kTpmBadParamSize));
    hang_up();
  }

  base::Bytes execute(base::View command) {
    auto looked = shim_.look();
    if (looked.ok() && !shim_.connected()) looked = shim_.connect(std::chrono::seconds(options_.connect_seconds));
    if (looked.ok()) {
      auto response = shim_.transact(command, 0, std::chrono::seconds(options_.command_seconds));
      if (response.ok()) return std::move(response).take();
      looked = response.error();
    }
    base::log(base::Level::Error, looked.error().text());
    return frontend::error_response(frontend::kTpmFail);
  }

  bool answer(base::View response) {
    while (!response.empty()) {
      ssize_t n = send(client_.get(), response.data(), response.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      response = response.subspan(static_cast<size_t>(n));
    }
    return true;
  }

  void hang_up() { client_ = Fd(); }

  frontend::Shim& shim_;
  Fd listening_, signals_;
  const Options& options_;
  Fd client_;
  frontend::Reassembly stream_;
  bool ending_ = false;
};

Fd signals_to_end() {
  sigset_t ending;
  sigemptyset(&ending);
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&ending, signal);
  sigprocmask(SIG_BLOCK, &ending, nullptr);
  return Fd(signalfd(-1, &ending, SFD_CLOEXEC));
}

int fail(const xen::SysError& error) {
  base::log(base::Level::Error, error.text());
  return 1;
}

int run(const Options& options) {
  Fd signals = signals_to_end();
  auto shim = frontend::Shim::open(options.number);
  if (!shim.ok()) return fail(shim.error());
  shim.value()->interrupt_by(signals.get());
  auto connected = shim.value()->connect(std::chrono::seconds(options.connect_seconds));
  if (!connected.ok()) return fail(connected.error());
  // Only now, so that who can connect finds a TPM.
  auto listening = frontend::listen_on(options.listen);
  if (!listening.ok()) return fail(listening.error());
  base::log(base::Level::Info, "connected; listening on " + options.listen);
  Server(*shim.value(), std::move(listening).take(), std::move(signals), options).run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"This domain's vTPM for programs, without the kernel's driver."};
  app.add_option("--listen", options.listen, "offer the raw TPM byte stream on unix:PATH or tcp:HOST:PORT");
  app.add_flag("--device", options.device, "make /dev/tpmN through /dev/vtpmx");
  app.add_option("--number", options.number, "which of the domain's vTPMs, by default the first")
      ->check(CLI::Range(0, 65535));
  app.add_option("--connect-timeout", options.connect_seconds, "seconds to wait for the backend");
  app.add_option("--command-timeout", options.command_seconds, "seconds until a command is cancelled");
  CLI11_PARSE(app, argc, argv);
  base::log_name("vtpm-frontend");
  if (options.device) {
    base::log(base::Level::Error, "--device is not part of this release; --listen is");
    return 2;
  }
  if (options.listen.empty()) {
    base::log(base::Level::Error, "nothing to do without --listen; see --help");
    return 2;
  }
  return run(options);
}
