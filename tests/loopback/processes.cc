// SPDX-License-Identifier: MIT
#include "tests/loopback/processes.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

namespace loopback {
namespace {

std::multimap<pid_t, pid_t> children_by_parent() {
  std::multimap<pid_t, pid_t> children;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    std::string name = entry.path().filename();
    pid_t pid = 0;
    auto [end, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (bad != std::errc{} || end != name.data() + name.size()) continue;
    std::ifstream file(entry.path() / "stat");
    std::string text;
    std::getline(file, text, '\0');  // of a process that has just ended there is nothing
    // The name in parentheses may hold anything; the state and the parent follow the last one.
    size_t close = text.rfind(") ");
    if (close == std::string::npos || text.size() < close + 5) continue;
    pid_t parent = 0;
    std::from_chars(text.data() + close + 4, text.data() + text.size(), parent);
    children.emplace(parent, pid);
  }
  return children;
}

void signal_below(const std::multimap<pid_t, pid_t>& children, pid_t pid, int signal) {
  auto [first, last] = children.equal_range(pid);
  for (auto at = first; at != last; ++at) signal_below(children, at->second, signal);
  kill(pid, signal);
}

}  // namespace

Fd open_process(pid_t pid) { return Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))); }

bool ended(const Fd& pidfd) {
  pollfd state{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  return poll(&state, 1, 0) == 1;
}

void signal_family(pid_t pid, int signal) { signal_below(children_by_parent(), pid, signal); }

void end_descendants() {
  // A killed child may have left orphans, which are children now.
  for (bool any = true; any;) {
    auto children = children_by_parent();
    auto [first, last] = children.equal_range(getpid());
    for (auto at = first; at != last; ++at) kill(at->second, SIGKILL);
    for (auto at = first; at != last; ++at) waitpid(at->second, nullptr, 0);
    any = first != last;
  }
}

}  // namespace loopback
