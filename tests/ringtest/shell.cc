// SPDX-License-Identifier: MIT
#include "tests/ringtest/shell.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <thread>

namespace ringtest {

namespace {

pid_t start(const std::string& command, const std::map<std::string, std::string>& environment, int out) {
  pid_t pid = fork();
  if (pid != 0) return pid;
  setpgid(0, 0);
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(null, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  signal(SIGPIPE, SIG_DFL);
  execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
  _exit(127);
}

}  // namespace

Shell::Shell(const std::string& command, const std::map<std::string, std::string>& environment)
    : pid_(start(command, environment, STDERR_FILENO)) {}

Shell::~Shell() {
  for (int i = 0; i < 100 && !status(); i++) {
    if (i == 0) ask_to_end();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  if (status()) return;
  kill(-pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Shell::ask_to_end() const {
  if (!status_) kill(-pid_, SIGTERM);
}

std::optional<int> Shell::status() {
  int status = 0;
  if (!status_ && waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
  return status_;
}

std::optional<std::string> output_of(const std::string& command,
                                     const std::map<std::string, std::string>& environment) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  pid_t pid = start(command, environment, ends[1]);
  close(ends[1]);
  std::string output;
  std::array<char, 4096> chunk{};
  for (ssize_t n = 0; (n = read(ends[0], chunk.data(), chunk.size())) > 0;) {
    output.append(chunk.data(), static_cast<size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return std::nullopt;
  return output;
}

}  // namespace ringtest
