// SPDX-License-Identifier: MIT
// Server: one client of the byte stream and one of the control channel at a time; others wait until they leave.
#pragma once

#include "backend/socket/connection.h"
#include "backend/socket/control_connection.h"
#include "backend/socket/listener.h"

namespace socketd {

class Server {
 public:
  // Either listener may be missing.
  Server(Device& device, Host& host, const Ending& ending, std::optional<Listener> stream,
         std::optional<Listener> control);

  // Until a signal or a control client asks for the end.
  void run();

 private:
  bool control_ended() const;
  void accept_stream();
  void accept_client();
  Answer seat(vault::Fd fd);

  Device& device_;
  const Ending& ending_;
  std::optional<Listener> stream_listener_, control_listener_;
  Control control_;
  std::optional<Connection> stream_;
  std::optional<ControlConnection> client_;
};

}  // namespace socketd
