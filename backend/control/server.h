// SPDX-License-Identifier: MIT
// ControlServer: the administrator's socket. One JSON object a line in, one out; only root may connect.
#pragma once

#include <map>
#include <string>

#include "backend/control/commands.h"
#include "backend/manager/loop.h"
#include "backend/manager/manager.h"

namespace backend {

class ControlServer {
 public:
  // The socket's name in the runtime directory.
  static constexpr const char* kSocketName = "control.sock";

  ControlServer(Loop& loop, Manager& manager);
  ~ControlServer() { manager_.events().listen({}); }
  xen::Result<> listen(const std::string& path);

 private:
  void on_connection();
  void on_request(int fd);
  void on_event(const AdminEvent& event);
  ssize_t take(int fd);
  bool answer_line(int fd, std::string_view line);
  bool say(int fd, const Reply& reply);
  void close(int fd);

  Loop& loop_;
  Manager& manager_;
  vault::Fd listening_;
  struct Client {
    vault::Fd fd;
    std::string pending;
    bool follows = false;
    uint64_t serial = 0;
    vault::Fd attached;  // for the request it came with
    std::optional<uint64_t> trace = {};
  };
  std::map<int, Client> clients_;
  uint64_t next_serial_ = 1;
};

}  // namespace backend
