// SPDX-License-Identifier: MIT
// A manager and guests in dom0 of a loopback machine: real programs, real XenStore. The test program itself runs in
// that dom0 (see system.mk).
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tests/engine/stream_transport.h"

namespace system_test {

using Words = std::vector<std::string>;

struct Finished {
  int status = -1;
  std::string output;  // standard output, without the last line's end
};
// Ends the program when it takes longer than 30 s.
Finished run(const Words& command);

// A program in the background, ended with its owner.
class Program {
 public:
  Program(const Words& command, const std::string& log);
  Program(Program&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  Program& operator=(Program&&) = delete;
  ~Program() { end(9); }
  bool lives() const;
  // Sends the signal and waits.
  void end(int signal);
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
};

bool eventually(const std::function<bool()>& holds, int timeout_ms = 15'000);

// Where `make` put the programs.
std::string program(const std::string& name);

// XenStore as the stock tools see it; nothing when the node is not there.
std::optional<std::string> node(const std::string& path);
void set_node(const std::string& path, const std::string& value);
void remove_node(const std::string& path);

class Stack {
 public:
  Stack();
  ~Stack();
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  // `libexec` is where the manager finds its worker; empty: where it always does.
  void start_manager(const std::string& libexec = "", const Words& options = {});
  // The same as a process of that domain.
  void run_manager_in(unsigned domain);
  void kill_manager() { manager_->end(9); }
  // In order.
  void end_manager() { manager_->end(15); }
  pid_t manager() const { return manager_ ? manager_->pid() : 0; }
  bool manager_lives() const { return manager_ && manager_->lives(); }
  // What vtpmctl says, as JSON.
  nlohmann::json control(const Words& command) const;
  // Of the device's worker; 0 when there is none.
  pid_t worker_of(unsigned domain, unsigned device = 0) const;
  std::string stage_of(unsigned domain, unsigned device = 0) const;
  std::string log() const;
  const std::string& directory() const { return directory_; }

 private:
  void launch(Words words, const Words& options);

  std::string directory_;
  std::optional<Program> manager_;
};

inline std::string front_path(unsigned domain, unsigned device = 0) {
  return "/local/domain/" + std::to_string(domain) + "/device/vtpm/" + std::to_string(device);
}
inline std::string back_path(unsigned domain, unsigned device = 0) {
  return "/local/domain/0/backend/vtpm/" + std::to_string(domain) + "/" + std::to_string(device);
}
inline std::string error_path(unsigned domain, unsigned device = 0) {
  return "/local/domain/0/error/backend/vtpm/" + std::to_string(domain) + "/" + std::to_string(device) + "/error";
}

// Of a domain that is created here, unless it is 0; destroys nothing by itself.
std::string fresh_uuid();
unsigned create_domain(const std::string& uuid);
void destroy_domain(unsigned domain);

// A guest's vtpm-frontend and a TPM client that talks through it.
class Frontend {
 public:
  Frontend(const Stack& stack, unsigned domain, const Words& options = {});
  // Ends in order, as a driver that is unloaded.
  void unload() { program_.end(15); }
  // A connection and the client over it.
  bool connect(int timeout_ms = 20'000);
  client::Tpm& tpm() { return *tpm_; }
  bool lives() const { return program_.lives(); }
  pid_t pid() const { return program_.pid(); }

 private:
  std::string socket_;
  Program program_;
  std::unique_ptr<client::Stream> stream_;
  std::optional<client::Tpm> tpm_;
};

}  // namespace system_test
