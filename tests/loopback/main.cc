// SPDX-License-Identifier: MIT
// xen-loopback: a Xen machine without Xen, and the administrator's commands for it.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/loopback/environment.h"
#include "tests/loopback/machine.h"
#include "tests/loopback/processes.h"
#include "tests/loopback/toolstack.h"

namespace {

using loopback::DomId;
using loopback::Fd;
using loopback::Machine;
using loopback::raw;
using loopback::Toolstack;
using Words = std::vector<std::string>;

constexpr char kUsage[] = R"usage(usage: xen-loopback COMMAND ...

A Xen machine without Xen: XenStore, grants, event channels and domains on ordinary Linux.

The machine
  run [--dir DIR] -- CMD...   start a machine, run CMD in its dom0, tear the machine down; CMD's status is returned
  start [--dir DIR] [--print-env]
                              start one in the background; prints its directory, or shell commands that enter its dom0:
                                eval "$(xen-loopback start --print-env)"
  stop [DIR]                  end the one that was started in DIR
  exec DOMID -- CMD...        run CMD as a process of that domain; it dies with the domain
  env [DOMID]                 print shell commands that enter that domain (for a debugger; 0 is the default)

Domains (in dom0 of a machine)
  domain create [--uuid U] [--name N] [--type pv|pvh] [--paused] [--restored] [--vtpm backend=0,uuid=U]...
                [--kernel FILE] [--ramdisk FILE] [--cmdline TEXT]
                              as `xl create`: prints the number; waits up to 10 s for each backend; --restored: as the
                              receiving side of a migration, with a vCPU in use
  domain pause|unpause DOMID
  domain shutdown DOMID [--reason poweroff|reboot|crash|suspend]
                              the domain stops for that reason, then everything of it is removed
  domain reboot DOMID         as after a reboot in the guest: prints the new number
  domain destroy DOMID
  domain suspend DOMID [FILE] with FILE as `xl save`; without, as `xl save -c`: suspended for a moment, then runs on
  domain checkpoint DOMID FILE
                              as `xl save -c`, and `restore` may be given the file later
  domain disguise DOMID       its vCPU shows what a new boot shows, as a hostile kernel may bring about
  domain halt DOMID           suspended, and still there; run-on: it goes on as it was
  domain run-on DOMID
  domain resume FILE          same as restore
  domain restore FILE [--paused]
                              as `xl restore`: prints the new number
  domain migrate DOMID        to this same machine: prints the new number
  domain list
  vtpm-attach DOMID [uuid=U] [backend=0]
  vtpm-detach DOMID DEVID
  vtpm-list DOMID
)usage";

[[noreturn]] void die(const std::string& why, int status = 1) {
  fprintf(stderr, "xen-loopback: %s\n", why.c_str());
  exit(status);
}
[[noreturn]] void misused(const std::string& why) { die(why + " (see xen-loopback --help)", 2); }

// ---- words ----

// Takes `--name VALUE` out of the words.
std::optional<std::string> take_option(Words& words, const std::string& name) {
  for (auto at = words.begin(); at != words.end(); ++at) {
    if (*at != name) continue;
    if (at + 1 == words.end()) misused(name + " needs a value");
    std::string value = *(at + 1);
    words.erase(at, at + 2);
    return value;
  }
  return std::nullopt;
}

bool take_flag(Words& words, const std::string& name) { return std::erase(words, name) > 0; }

unsigned number_in(const std::string& text, const char* what) {
  unsigned value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > UINT16_MAX)
    misused("not a " + std::string(what) + ": " + text);
  return value;
}

std::string take_word(Words& words, const char* what) {
  if (words.empty()) misused("missing " + std::string(what));
  std::string word = words.front();
  words.erase(words.begin());
  return word;
}
DomId take_domain(Words& words) {
  return DomId(static_cast<uint16_t>(number_in(take_word(words, "domain"), "domain number")));
}

void expect_no_more(const Words& words) {
  if (!words.empty()) misused("unexpected: " + words.front());
}

// What follows `--`.
Words take_command(Words& words) {
  auto at = std::find(words.begin(), words.end(), "--");
  if (at == words.end() || at + 1 == words.end()) misused("missing -- COMMAND");
  Words command(at + 1, words.end());
  words.erase(at, words.end());
  return command;
}

loopback::VtpmConfig vtpm_in(const std::string& spec) {
  loopback::VtpmConfig vtpm{.uuid = loopback::random_uuid()};
  for (size_t at = 0; at < spec.size();) {
    size_t comma = std::min(spec.find(',', at), spec.size());
    std::string part = spec.substr(at, comma - at);
    if (part.starts_with("backend=")) {
      std::string domain = part.substr(8);
      vtpm.backend = DomId(static_cast<uint16_t>(domain == "Domain-0" ? 0 : number_in(domain, "backend")));
    } else if (part.starts_with("uuid=")) {
      vtpm.uuid = part.substr(5);
      for (char& c : vtpm.uuid) c = static_cast<char>(tolower(static_cast<unsigned char>(c)));
    } else {
      misused("unknown in a vtpm: " + part);
    }
    at = comma + 1;
  }
  return vtpm;
}

// ---- the machine ----

Machine* running = nullptr;
void stop_running(int) { running->stop(); }

// Whoever reads this program's output must not wait for the machine in the background.
void let_go_of_the_terminal() {
  Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  dup2(null.get(), STDIN_FILENO);
  dup2(null.get(), STDOUT_FILENO);
  dup2(null.get(), STDERR_FILENO);
}

// Never returns. Says "ready" by one byte on `ready`, or ends without.
[[noreturn]] void serve(const std::string& directory, int ready, bool outlives) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  loopback::Result<std::unique_ptr<Machine>> machine = Machine::boot(directory);
  if (!machine.ok()) die("cannot start in " + directory + ": " + strerror(machine.error().value));
  running = machine.value().get();
  struct sigaction stop {};
  stop.sa_handler = stop_running;
  sigaction(SIGTERM, &stop, nullptr);
  signal(SIGPIPE, SIG_IGN);
  std::ofstream(directory + "/pid") << getpid() << '\n';
  if (outlives) let_go_of_the_terminal();
  static_cast<void>(!write(ready, "", 1));
  close(ready);
  machine.value()->run();
  machine.value().reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  _exit(0);
}

std::string fresh_directory(const std::optional<std::string>& wanted) {
  if (wanted) {
    if (mkdir(wanted->c_str(), 0755) != 0) die(*wanted + ": " + strerror(errno));
    return std::filesystem::absolute(*wanted);
  }
  const char* base = getenv("TMPDIR");
  std::string pattern = std::string(base == nullptr ? "/tmp" : base) + "/xen-loopback.XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) die(pattern + ": " + strerror(errno));
  chmod(pattern.c_str(), 0755);  // guests' processes may run under any user
  return pattern;
}

// The machine in a process of its own, which outlives its parent only when it is asked to.
pid_t fork_machine(const std::string& directory, bool outlives) {
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) die(strerror(errno));
  pid_t child = fork();
  if (child == 0) {
    setsid();
    if (!outlives) prctl(PR_SET_PDEATHSIG, SIGTERM);
    close(ready[0]);
    serve(directory, ready[1], outlives);
  }
  close(ready[1]);
  char byte = 0;
  if (child < 0 || read(ready[0], &byte, 1) != 1) exit(1);
  close(ready[0]);
  return child;
}

[[noreturn]] void become(const Words& command) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  die(command[0] + ": " + strerror(errno), 127);
}

// Reaps whoever else ends meanwhile, as the parent of orphans must.
int wait_status(pid_t pid) {
  int status = 0;
  for (pid_t ended = 0; ended != pid;) {
    ended = waitpid(-1, &status, 0);
    if (ended < 0 && errno != EINTR) die(strerror(errno));
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

pid_t command_of_run = -1;
void pass_on(int signal) {
  if (command_of_run > 0) kill(command_of_run, signal);
}

int run(Words words) {
  Words command = take_command(words);
  std::string directory = fresh_directory(take_option(words, "--dir"));
  expect_no_more(words);
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // what runs on in the background is found when the machine is switched off
  pid_t machine = fork_machine(directory, false);
  command_of_run = fork();
  if (command_of_run == 0) {
    loopback::enter(loopback::environment_of(directory, loopback::kDom0));
    become(command);
  }
  signal(SIGINT, SIG_IGN);  // the terminal sends it to CMD as well
  signal(SIGTERM, pass_on);
  int status = wait_status(command_of_run);
  kill(machine, SIGTERM);
  while (waitpid(machine, nullptr, 0) < 0 && errno == EINTR) continue;
  loopback::end_descendants();
  return status;
}

void print_environment(const std::string& directory, DomId domain) {
  for (const auto& [name, value] : loopback::environment_of(directory, domain)) {
    printf("export %s='%s'\n", name.c_str(), value.c_str());
  }
}

int start(Words words) {
  bool print = take_flag(words, "--print-env");
  std::string directory = fresh_directory(take_option(words, "--dir"));
  expect_no_more(words);
  fork_machine(directory, true);
  if (print) {
    print_environment(directory, loopback::kDom0);
  } else {
    printf("%s\n", directory.c_str());
  }
  return 0;
}

std::string this_machine() {
  const char* directory = getenv("XEN_LOOPBACK_DIR");
  if (directory == nullptr) die("not in a machine: XEN_LOOPBACK_DIR is not set (see xen-loopback start)");
  return directory;
}

int stop(Words words) {
  std::string directory = words.empty() ? this_machine() : take_word(words, "directory");
  expect_no_more(words);
  pid_t pid = 0;
  std::ifstream(directory + "/pid") >> pid;
  if (pid <= 1 || kill(pid, SIGTERM) != 0) die("no machine runs in " + directory);
  for (int i = 0; i < 500 && std::filesystem::exists(directory); i++) usleep(10000);
  return std::filesystem::exists(directory) ? 1 : 0;
}

int exec(Words words) {
  Words command = take_command(words);
  DomId domain = take_domain(words);
  expect_no_more(words);
  loopback::enter(loopback::environment_of(this_machine(), domain));
  if (domain != loopback::kDom0) {
    loopback::Connection hypervisor;
    bool in = hypervisor.open() && hypervisor.call(loopback::request(loopback::Op::Join)) == 0;
    if (!in) {
      const char* why = errno == EBUSY    ? "it is paused or has shut down"
                        : errno == ENOENT ? "there is no such domain"
                                          : strerror(errno);
      die("cannot enter domain " + std::to_string(raw(domain)) + ": " + why);
    }
  }
  become(command);
}

int env(Words words) {
  DomId domain = words.empty() ? loopback::kDom0 : take_domain(words);
  expect_no_more(words);
  print_environment(this_machine(), domain);
  return 0;
}

// ---- domains ----

std::unique_ptr<Toolstack> open_toolstack() {
  loopback::enter(loopback::environment_of(this_machine(), loopback::kDom0));
  auto toolstack = Toolstack::open();
  if (!toolstack.ok()) die("cannot reach the machine in " + this_machine() + ": " + strerror(toolstack.error().value));
  return std::move(toolstack).take();
}

int said(std::optional<DomId> created) {
  if (created) printf("%u\n", raw(*created));
  return created ? 0 : 1;
}
int said(bool succeeded) { return succeeded ? 0 : 1; }

int create(Words words) {
  loopback::DomainConfig config;
  config.uuid = take_option(words, "--uuid").value_or(loopback::random_uuid());
  config.name = take_option(words, "--name").value_or("guest-" + config.uuid.substr(0, 8));
  std::string type = take_option(words, "--type").value_or("pv");
  config.kernel = take_option(words, "--kernel").value_or("");
  config.ramdisk = take_option(words, "--ramdisk").value_or("");
  config.command_line = take_option(words, "--cmdline").value_or("");
  if (type != "pv" && type != "pvh") misused("unknown type: " + type);
  config.pvh = type == "pvh";
  for (auto vtpm = take_option(words, "--vtpm"); vtpm; vtpm = take_option(words, "--vtpm"))
    config.vtpms.push_back(vtpm_in(*vtpm));
  bool paused = take_flag(words, "--paused"), restored = take_flag(words, "--restored");
  expect_no_more(words);
  return said(open_toolstack()->create(config, {.paused = paused, .restored = restored}));
}

int shut_down(Words words) {
  std::string reason = take_option(words, "--reason").value_or("poweroff");
  DomId domain = take_domain(words);
  expect_no_more(words);
  using loopback::Reason;
  if (reason == "poweroff") return said(open_toolstack()->shut_down(domain, Reason::Poweroff));
  if (reason == "reboot") return said(open_toolstack()->reboot(domain));
  if (reason == "crash") return said(open_toolstack()->shut_down(domain, Reason::Crash));
  if (reason == "suspend") return said(open_toolstack()->shut_down(domain, Reason::Suspend));
  misused("unknown reason: " + reason);
}

int suspend(Words words) {
  DomId domain = take_domain(words);
  std::string file = words.empty() ? "" : take_word(words, "file");
  expect_no_more(words);
  return said(file.empty() ? open_toolstack()->checkpoint(domain) : open_toolstack()->save(domain, file));
}

int checkpoint(Words words) {
  DomId domain = take_domain(words);
  std::string file = take_word(words, "file");
  expect_no_more(words);
  return said(open_toolstack()->checkpoint(domain, file));
}

int restore(Words words) {
  bool paused = take_flag(words, "--paused");
  std::string file = take_word(words, "file");
  expect_no_more(words);
  return said(open_toolstack()->restore(file, paused));
}

int list_domains(Words words) {
  expect_no_more(words);
  auto toolstack = open_toolstack();
  printf("%-24s %5s %-5s %-6s %s\n", "Name", "ID", "Type", "State", "UUID");
  for (const loopback::DomainRecord& record : toolstack->domains()) {
    std::string state = "------";
    if (!record.paused && !record.shut_down && !record.dying)
      state[record.domain == 0 ? 0 : 1] = record.domain == 0 ? 'r' : 'b';
    if (record.paused) state[2] = 'p';
    if (record.shut_down) state[record.shutdown_reason == 3 ? 4 : 3] = record.shutdown_reason == 3 ? 'c' : 's';
    if (record.dying) state[5] = 'd';
    DomId domain{static_cast<uint16_t>(record.domain)};
    printf("%-24s %5u %-5s %-6s %s\n", toolstack->name_of(domain).c_str(), record.domain, record.pvh ? "pvh" : "pv",
           state.c_str(), loopback::uuid_text(record.uuid).c_str());
  }
  return 0;
}

int domain(Words words) {
  std::string verb = take_word(words, "domain command");
  if (verb == "create") return create(words);
  if (verb == "shutdown") return shut_down(words);
  if (verb == "suspend") return suspend(words);
  if (verb == "checkpoint") return checkpoint(words);
  if (verb == "restore" || verb == "resume") return restore(words);
  if (verb == "list") return list_domains(words);
  DomId which = take_domain(words);
  expect_no_more(words);
  if (verb == "halt") return said(open_toolstack()->halt(which));
  if (verb == "disguise") return said(open_toolstack()->disguise(which));
  if (verb == "run-on") return said(open_toolstack()->run_on(which));
  if (verb == "pause") return said(open_toolstack()->pause(which));
  if (verb == "unpause") return said(open_toolstack()->unpause(which));
  if (verb == "reboot") return said(open_toolstack()->reboot(which));
  if (verb == "destroy") return said(open_toolstack()->destroy(which));
  if (verb == "migrate") return said(open_toolstack()->migrate(which));
  misused("unknown domain command: " + verb);
}

int attach(Words words) {
  DomId domain = take_domain(words);
  std::string spec;
  for (const std::string& word : words) spec += (spec.empty() ? "" : ",") + word;
  return said(open_toolstack()->attach(domain, vtpm_in(spec)));
}

int detach(Words words) {
  DomId domain = take_domain(words);
  unsigned device = number_in(take_word(words, "device"), "device number");
  expect_no_more(words);
  return said(open_toolstack()->detach(domain, device));
}

int list_vtpms(Words words) {
  DomId domain = take_domain(words);
  expect_no_more(words);
  auto toolstack = open_toolstack();
  printf("%-3s %-36s %-5s %s\n", "Idx", "Uuid", "state", "BE-path");
  for (unsigned device : toolstack->vtpms_of(domain)) {
    std::string libxl = "/libxl/" + std::to_string(raw(domain)) + "/device/vtpm/" + std::to_string(device);
    std::string frontend = toolstack->store().read(libxl + "/frontend").value_or("");
    printf("%-3u %-36s %-5s %s\n", device, toolstack->store().read(libxl + "/uuid").value_or("?").c_str(),
           toolstack->store().read(frontend + "/state").value_or("-1").c_str(),
           toolstack->store().read(libxl + "/backend").value_or("?").c_str());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Words words(argv + 1, argv + argc);
  if (words.empty()) {
    fputs(kUsage, stderr);
    return 2;
  }
  // Only before `--`: what follows belongs to another program.
  for (auto at = words.begin(); at != words.end() && *at != "--"; ++at) {
    if (*at != "--help" && *at != "-h") continue;
    fputs(kUsage, stdout);
    return 0;
  }
  std::string verb = take_word(words, "command");
  if (verb == "run") return run(words);
  if (verb == "start") return start(words);
  if (verb == "stop") return stop(words);
  if (verb == "exec") return exec(words);
  if (verb == "env") return env(words);
  if (verb == "domain") return domain(words);
  if (verb == "vtpm-attach") return attach(words);
  if (verb == "vtpm-detach") return detach(words);
  if (verb == "vtpm-list") return list_vtpms(words);
  misused("unknown command: " + verb);
}
