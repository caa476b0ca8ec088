// SPDX-License-Identifier: MIT
// ControlConnection: the one client of the control channel.
#pragma once

#include "backend/socket/control.h"
#include "backend/socket/peer.h"

namespace socketd {

class ControlConnection {
 public:
  ControlConnection(vault::Fd fd, Control& control) : peer_(std::move(fd)), control_(control) {}

  int fd() const { return peer_.fd(); }
  short events() const;
  bool unsent() const { return peer_.unsent(); }
  int timeout_ms() const { return more_ && !peer_.unsent() ? 0 : -1; }
  // After a wait: takes what has come and executes one request. False: it is over.
  bool serve();
  // Whether the client wants what is being executed cancelled. Its other requests wait until that is done.
  bool cancel_asked();

 private:
  bool receive();
  bool execute_next();
  bool refuse(Answer answer);

  Peer peer_;
  Control& control_;
  ControlRequests requests_;
  vault::Fd passed_;
  bool more_ = false;
  bool leaving_ = false;
  bool gone_ = false;
};

}  // namespace socketd
