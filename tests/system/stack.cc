// SPDX-License-Identifier: MIT
#include "tests/system/stack.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace system_test {

namespace {

// Standard output to `out`, standard error to `log` when there is one.
pid_t start(const Words& command, int out, const std::string& log) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t pid = ::fork();
  if (pid != 0) return pid;
  if (out >= 0) ::dup2(out, STDOUT_FILENO);
  if (!log.empty()) {
    int to = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(to, STDERR_FILENO);
    if (out < 0) ::dup2(to, STDOUT_FILENO);
  }
  ::execvp(argv[0], argv.data());
  ::_exit(127);
}

}  // namespace

Finished run(const Words& command) {
  Words bounded = {"timeout", "30"};
  bounded.insert(bounded.end(), command.begin(), command.end());
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  pid_t pid = start(bounded, ends[1], "");
  ::close(ends[1]);
  Finished finished;
  std::array<char, 4096> chunk{};
  for (ssize_t n = 0; (n = ::read(ends[0], chunk.data(), chunk.size())) > 0;) {
    finished.output.append(chunk.data(), static_cast<size_t>(n));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(pid, &status, 0);
  finished.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (finished.output.ends_with('\n')) finished.output.pop_back();
  return finished;
}

Program::Program(const Words& command, const std::string& log) : pid_(start(command, -1, log)) {}

bool Program::lives() const {
  siginfo_t ended{};
  return pid_ > 0 && ::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         ended.si_pid == 0;
}

void Program::end(int signal) {
  if (pid_ <= 0) return;
  ::kill(pid_, signal);
  if (!eventually([this] { return !lives(); }, 10'000)) ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

bool eventually(const std::function<bool()>& holds, int timeout_ms) {
  auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

std::string program(const std::string& name) {
  const char* directory = ::getenv("VTPM_PROGRAMS");
  return std::string(directory == nullptr ? "build/bin" : directory) + "/" + name;
}

std::optional<std::string> node(const std::string& path) {
  Finished read = run({"xenstore-read", path});
  if (read.status != 0) return std::nullopt;
  return read.output;
}
void set_node(const std::string& path, const std::string& value) { run({"xenstore-write", "--", path, value}); }
void remove_node(const std::string& path) { run({"xenstore-rm", path}); }

Stack::Stack() {
  char name[] = "/tmp/vtpm-system-XXXXXX";
  directory_ = ::mkdtemp(name);
  start_manager();
}

Stack::~Stack() {
  for (const auto& device : control({"stats"}).value("devices", nlohmann::json::array())) {
    std::string id = device.value("device", "0/0");
    run({program("xen-loopback"), "domain", "destroy", id.substr(0, id.find('/'))});
  }
  eventually([this] { return control({"stats"}).value("devices", nlohmann::json::array()).empty(); });
  manager_.reset();
  if (const char* keep = ::getenv("KEEP_LOGS")) {
    std::filesystem::copy(directory_ + "/log",
                          std::string(keep) + "/" + std::filesystem::path(directory_).filename().string());
  }
  std::filesystem::remove_all(directory_);
}

void Stack::start_manager(const std::string& libexec, const Words& options) {
  Words more = options;
  if (!libexec.empty()) more.insert(more.end(), {"--libexec", libexec});
  // Keys that nobody will ask for take the processor from what is tested.
  if (std::find(options.begin(), options.end(), "--pool") == options.end()) more.insert(more.end(), {"--pool", "0"});
  launch({}, more);
}

void Stack::run_manager_in(unsigned domain) {
  launch({program("xen-loopback"), "exec", std::to_string(domain), "--"}, {"--pool", "0"});
}

void Stack::launch(Words words, const Words& options) {
  manager_.reset();
  std::filesystem::remove(directory_ + "/run/control.sock");
  words.insert(words.end(), {program("vtpm-managerd"), "--foreground", "--log-level", "7", "--state-dir",
                             directory_ + "/state", "--runtime-dir", directory_ + "/run"});
  // Where the loopback's toolstack writes down what libxl does.
  const char* machine = ::getenv("XEN_LOOPBACK_DIR");
  words.insert(words.end(), {"--toolstack-dir", std::string(machine == nullptr ? "" : machine) + "/libxl"});
  words.insert(words.end(), options.begin(), options.end());
  manager_.emplace(words, directory_ + "/log");
  eventually([this] { return std::filesystem::exists(directory_ + "/run/control.sock"); });
}

nlohmann::json Stack::control(const Words& command) const {
  Words words = {program("vtpmctl"), "--json", "--runtime-dir", directory_ + "/run"};
  words.insert(words.end(), command.begin(), command.end());
  auto answer = nlohmann::json::parse(run(words).output, nullptr, false);
  return answer.is_object() ? answer : nlohmann::json::object();
}

namespace {
nlohmann::json device_of(const Stack& stack, unsigned domain, unsigned number) {
  std::string id = std::to_string(domain) + "/" + std::to_string(number);
  for (const auto& device : stack.control({"stats"}).value("devices", nlohmann::json::array())) {
    if (device.value("device", "") == id) return device;
  }
  return nlohmann::json::object();
}
}  // namespace

pid_t Stack::worker_of(unsigned domain, unsigned device) const {
  return device_of(*this, domain, device).value("worker", 0);
}
std::string Stack::stage_of(unsigned domain, unsigned device) const {
  return device_of(*this, domain, device).value("stage", "none");
}

std::string Stack::log() const {
  std::stringstream text;
  text << std::ifstream(directory_ + "/log").rdbuf();
  return text.str();
}

std::string fresh_uuid() {
  std::string uuid;
  std::ifstream("/proc/sys/kernel/random/uuid") >> uuid;
  return uuid;
}

unsigned create_domain(const std::string& uuid) {
  Finished created = run({program("xen-loopback"), "domain", "create", "--vtpm", "backend=0,uuid=" + uuid});
  return created.status == 0 ? static_cast<unsigned>(std::stoul(created.output)) : 0;
}
void destroy_domain(unsigned domain) { run({program("xen-loopback"), "domain", "destroy", std::to_string(domain)}); }

namespace {
std::string socket_name(const Stack& stack) {
  static std::atomic<int> count = 0;
  return stack.directory() + "/tpm" + std::to_string(count++);
}
}  // namespace

namespace {
Words frontend_words(unsigned domain, const std::string& socket, const Words& options) {
  Words words = {program("xen-loopback"),  "exec",     std::to_string(domain), "--",
                 program("vtpm-frontend"), "--listen", "unix:" + socket};
  words.insert(words.end(), options.begin(), options.end());
  return words;
}
}  // namespace

Frontend::Frontend(const Stack& stack, unsigned domain, const Words& options)
    : socket_(socket_name(stack)), program_(frontend_words(domain, socket_, options), stack.directory() + "/log") {}

bool Frontend::connect(int timeout_ms) {
  stream_ = std::make_unique<client::Stream>("unix:" + socket_, timeout_ms);
  tpm_.emplace(stream_->transport());
  return stream_->connected();
}

}  // namespace system_test
