// SPDX-License-Identifier: MIT
// The client's end of the control socket.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "backend/vault/durable.h"

namespace backend {

class Control {
 public:
  explicit Control(std::string path) : path_(std::move(path)) {}
  // The manager's answer, or one that says why there is none. A descriptor goes along unless it is -1.
  nlohmann::json ask(const nlohmann::json& request, int descriptor = -1);
  // The next line that the manager sends; nothing when it has gone.
  std::optional<nlohmann::json> next();
  // The descriptor that came with an answer, if any.
  vault::Fd take_descriptor() { return std::move(descriptor_); }
  int fd() const { return fd_.get(); }
  // Whether the last failure was that no manager could be reached.
  bool unreachable() const { return unreachable_; }

 private:
  std::string path_;
  vault::Fd fd_;
  vault::Fd descriptor_;
  std::string pending_;
  bool unreachable_ = false;
};

// Why a manager may not run on this machine, each with "level" and "text".
nlohmann::json host_findings();

}  // namespace backend
