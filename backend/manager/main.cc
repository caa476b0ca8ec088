// SPDX-License-Identifier: MIT
// vtpm-managerd: options, signals, the loop.
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "backend/control/server.h"
#include "backend/manager/manager.h"
#include "backend/vault/sqlite.h"
#include "lib/base/log.h"
#include "lib/base/version.h"
#include "lib/xen/proofs.h"
#include "xenstore-schema/vtpm.h"

namespace {

using base::Level;

// A worker of an earlier manager that does not answer keeps nobody from being ready for longer than this.
constexpr std::chrono::milliseconds kRecoveryTime{10'000};

struct Options {
  std::string state_dir = "/var/lib/vtpm";
  std::string runtime_dir = "/run/vtpm";
  std::string libexec;  // where vtpmd is; empty: beside this program
  backend::Policy policy;
  double start_seconds = 120;
  double measure_seconds = 60;
  std::string measure_name = "off";
  std::string policy_name = "auto";
  std::string ca_certificate, ca_key;  // files; empty: an authority of our own
  std::string master_key;  // a file; empty: a systemd credential if there is one, or else in the state directory
  bool foreground = false;
  int log_level = static_cast<int>(Level::Info);
};

int fail(const std::string& text) {
  base::log(Level::Error, text);
  return 1;
}

std::string own_directory() {
  char path[PATH_MAX];
  ssize_t n = ::readlink("/proc/self/exe", path, sizeof(path));
  std::string text(path, n > 0 ? static_cast<size_t>(n) : 0);
  return text.substr(0, text.rfind('/'));
}

// Makes it for root alone; false when somebody else could write there.
bool private_directory(const std::string& path) {
  struct stat about {};
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return false;
  if (::lstat(path.c_str(), &about) != 0 || !S_ISDIR(about.st_mode) || about.st_uid != ::geteuid()) return false;
  return (about.st_mode & 077) == 0 || ::chmod(path.c_str(), 0700) == 0;
}

// Tells the service manager, if there is one.
void tell_service_manager(const std::string& text) {
  const char* name = ::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  size_t length = name == nullptr ? 0 : strlen(name);
  if (length == 0 || length >= sizeof(address.sun_path)) return;
  memcpy(address.sun_path, name, length);
  if (address.sun_path[0] == '@') address.sun_path[0] = 0;
  vault::Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  if (::sendto(fd.get(), text.data(), text.size(), MSG_NOSIGNAL, generic, size) < 0) {
    base::log(Level::Warning, "the service manager could not be told: " + text);
  }
}

// Says that the loop turns, twice in each period of the service manager's watchdog.
void feed_watchdog(backend::Loop& loop, std::chrono::milliseconds interval) {
  tell_service_manager("WATCHDOG=1");
  loop.after(interval, [&loop, interval] { feed_watchdog(loop, interval); });
}

void begin_watchdog(backend::Loop& loop) {
  const char* period = ::getenv("WATCHDOG_USEC");
  const char* whose = ::getenv("WATCHDOG_PID");
  if (period == nullptr || (whose != nullptr && std::to_string(::getpid()) != whose)) return;
  auto interval = std::chrono::milliseconds(::strtoll(period, nullptr, 10) / 2000);
  if (interval.count() > 0) feed_watchdog(loop, interval);
}

// LoadCredential= and LoadCredentialEncrypted= put it there.
std::string key_file(const Options& options) {
  const char* credentials = ::getenv("CREDENTIALS_DIRECTORY");
  if (!options.master_key.empty() || credentials == nullptr) return options.master_key;
  std::string path = std::string(credentials) + "/vtpm.master-key";
  return ::access(path.c_str(), F_OK) == 0 ? path : "";
}

// The signals that end the manager, blocked. To be called before there are threads: one that does not block them would
// take them, and the process would end at once.
sigset_t block_ending_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

// Ends the loop on them; the workers go on.
vault::Fd end_on(const sigset_t& signals, backend::Loop& loop) {
  vault::Fd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  loop.add(fd.get(), [&loop] {
    base::log(Level::Info, "ending; the workers go on");
    tell_service_manager("STOPPING=1");
    loop.stop();
  });
  return fd;
}

backend::Policy policy_of(const Options& options) {
  backend::Policy policy = options.policy;
  policy.make_on_first_use = options.policy_name == "auto";
  policy.start_time = std::chrono::milliseconds(static_cast<int64_t>(options.start_seconds * 1000));
  policy.measure = measure::policy_in(options.measure_name).value_or(measure::Policy::Off);
  policy.measure_time = std::chrono::milliseconds(static_cast<int64_t>(options.measure_seconds * 1000));
  policy.state_directory = options.state_dir;
  policy.key_file = key_file(options);
  if (policy.host_name.empty()) {
    utsname about{};
    policy.host_name = ::uname(&about) == 0 ? about.nodename : "";
  }
  return policy;
}

// A few for each device; a worker limits its own.
void raise_descriptor_limit() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &files) != 0) base::log(Level::Warning, "the limit of descriptors stays as it is");
}

// In dom0 from the hypervisor; elsewhere from what vtpm-domwatch writes there.
xen::Result<std::unique_ptr<xen::DomainFacts>> domain_facts(const xen::Store& store) {
  auto own = TRY(schema::read(store, schema::home::own_domid()));
  if (own == xen::DomId{0}) return {std::make_unique<xen::Domains>(TRY(xen::Domains::open()))};
  return {std::make_unique<xen::Proofs>(TRY(xen::Proofs::open(schema::proofs::dir())))};
}

int serve(const Options& options) {
  sigset_t ending = block_ending_signals();
  if (!private_directory(options.runtime_dir) || !private_directory(options.runtime_dir + "/workers")) {
    return fail("cannot use " + options.runtime_dir + ": it must be a directory of ours alone");
  }
  std::string programs = options.libexec.empty() ? own_directory() : options.libexec;
  std::string program = programs + "/vtpmd";
  if (::access(program.c_str(), X_OK) != 0) return fail("there is no worker at " + program + ": see --libexec");
  auto vault = vault::SqliteVault::open(
      {.directory = options.state_dir, .key_file = key_file(options), .progress = [](const std::string& doing) {
         base::log(Level::Info, doing);
         tell_service_manager("EXTEND_TIMEOUT_USEC=10000000\nSTATUS=" + doing);
       }});
  if (!vault.ok()) return fail(vault.error().text);
  auto store = xen::Store::open();
  if (!store.ok()) return fail(store.error().text() + ": is this a Xen domain with xenstored running?");
  auto domains = domain_facts(store.value());
  if (!domains.ok()) return fail(domains.error().text());

  backend::Loop loop;
  vault::Fd signals = end_on(ending, loop);
  backend::Certifier certifier(loop, *vault.value(), {options.state_dir, options.ca_certificate, options.ca_key});
  auto certifies = certifier.begin();
  if (!certifies.ok()) return fail(certifies.error());
  backend::Manager manager(loop, std::move(store).take(), std::move(domains).take(), *vault.value(), certifier,
                           backend::Spawner(options.runtime_dir + "/workers", programs), policy_of(options));
  auto begun = manager.begin();
  if (!begun.ok()) return fail(begun.error().text());
  backend::ControlServer control(loop, manager);
  auto listening = control.listen(options.runtime_dir + "/" + backend::ControlServer::kSocketName);
  if (!listening.ok()) return fail(listening.error().text());
  bool told = false;
  auto tell_ready = [&] {
    if (told) return;
    told = true;
    base::log(Level::Info, "ready: states in " + options.state_dir + ", workers are " + program);
    tell_service_manager("READY=1");
    begin_watchdog(loop);
  };
  loop.after(kRecoveryTime, tell_ready);
  loop.run([&] {
    manager.settle();
    if (manager.recovered()) tell_ready();
  });
  return manager.broken() ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Gives every Xen guest with a vtpm device its own TPM 1.2.", "vtpm-managerd"};
  app.set_config("--config", "", "read options from this file, one `name = value` a line");
  app.add_option("--state-dir", options.state_dir, "where the sealed states are kept")->capture_default_str();
  app.add_option("--runtime-dir", options.runtime_dir, "where sockets are made; on a file system that a boot empties")
      ->capture_default_str();
  app.add_option("--libexec", options.libexec,
                 "the directory of vtpmd and its helpers; by default the one this program is in");
  app.add_option("--master-key", options.master_key,
                 "the file of the master key: 32 bytes or 64 hexadecimal digits; by default the credential "
                 "vtpm.master-key, or else one that is made in the state directory");
  app.add_option(
      "--ca-certificate", options.ca_certificate,
      "the file of the certificate, in PEM, that endorsement keys are certified with; by default one that is "
      "made at the first start");
  app.add_option("--ca-key", options.ca_key, "the file of its key, in PEM without a password");
  app.add_flag("--foreground", options.foreground, "stay attached to the terminal");
  app.add_option("--log-level", options.log_level, "3 errors, 4 warnings, 5 notices, 6 information, 7 everything")
      ->check(CLI::Range(3, 7))
      ->capture_default_str();
  app.add_option("--policy", options.policy_name,
                 "auto: a device with a new uuid makes a new instance; created-only: `vtpmctl create` does")
      ->check(CLI::IsMember({"auto", "created-only"}))
      ->capture_default_str();
  app.add_option("--start-time", options.start_seconds,
                 "seconds a worker may take to become ready; each further attempt gets twice the time")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  app.add_option("--pool", options.policy.pool,
                 "how many TPMs with endorsement keys are made in advance, while there is nothing else to do")
      ->check(CLI::Range(0, 64))
      ->capture_default_str();
  app.add_option("--host-name", options.policy.host_name,
                 "what other hosts know this one by when instances move; by default the system's name");
  vault::Settings& fresh = options.policy.defaults;
  app.add_option("--localities", fresh.localities, "of new instances: bit n set, locality n may be claimed")
      ->check(CLI::Range(1, 31))
      ->default_str(std::to_string(fresh.localities));
  app.add_option("--physical-presence-command", fresh.physical_presence_command,
                 "of new instances: whether software may assert physical presence")
      ->capture_default_str();
  app.add_option("--activated", fresh.activated, "whether new TPMs are activated")->capture_default_str();
  app.add_option("--enabled", fresh.enabled, "whether new TPMs are enabled")->capture_default_str();
  app.add_option("--measure", options.measure_name,
                 "of new instances: whether kernel, ramdisk and command line are measured at a power-on; off, on (what "
                 "cannot be measured leaves a marker) or required (it is not served)")
      ->check(CLI::IsMember({"off", "on", "required"}))
      ->capture_default_str();
  app.add_option("--measure-time", options.measure_seconds, "seconds that hashing a guest's files may take")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  app.add_option("--toolstack-dir", options.policy.toolstack_directory, "where libxl keeps what it knows of domains")
      ->capture_default_str();
  app.set_version_flag("--version", std::string(base::kVersion));
  CLI11_PARSE(app, argc, argv);
  ::umask(077);
  base::log_name("vtpm-managerd");
  base::log_level(static_cast<Level>(options.log_level));
  if (::signal(SIGPIPE, SIG_IGN) == SIG_ERR) return 1;
  if (!options.foreground && ::daemon(0, 1) != 0) return fail("cannot leave the terminal");
  raise_descriptor_limit();
  return serve(options);
}
