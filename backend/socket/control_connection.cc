// SPDX-License-Identifier: MIT
#include "backend/socket/control_connection.h"

#include <poll.h>

#include "lib/base/log.h"

namespace socketd {

short ControlConnection::events() const {
  if (peer_.unsent()) return POLLOUT;
  return more_ ? 0 : POLLIN;
}

bool ControlConnection::serve() {
  if (gone_ || !peer_.flush()) return false;
  if (peer_.unsent()) return true;
  if (leaving_) return false;
  if (!more_ && !receive()) return false;
  return execute_next();
}

bool ControlConnection::receive() {
  base::Bytes bytes;
  vault::Fd passed;
  if (peer_.receive(bytes, &passed) == Peer::Received::End) return false;
  if (passed) passed_ = std::move(passed);
  requests_.add(bytes);
  return true;
}

bool ControlConnection::execute_next() {
  ControlRequest request;
  ControlRequests::Next next = requests_.next(request);
  more_ = next == ControlRequests::Next::Whole;
  if (next == ControlRequests::Next::Unknown) return refuse(Answer::BadOrdinal);
  if (next == ControlRequests::Next::TooLong) return refuse(Answer::BadParameter);
  return !more_ || peer_.send(control_.execute(request, passed_));
}

// Nobody can tell where the next request begins.
bool ControlConnection::refuse(Answer answer) {
  base::log(base::Level::Notice, "the control client sent what is no request: its connection is closed");
  leaving_ = true;
  return peer_.send(only(answer)) && peer_.unsent();
}

bool ControlConnection::cancel_asked() {
  // One that has sent a request and not waited for its answer is not asked for more.
  pollfd wait{.fd = peer_.fd(), .events = POLLIN, .revents = 0};
  if (gone_ || peer_.unsent() || requests_.size() > ControlRequests::kMostData) return false;
  if (::poll(&wait, 1, 0) == 1 && !receive()) gone_ = true;
  more_ = true;  // what has come is looked at again when the command is done
  if (!requests_.take_cancel()) return false;
  base::log(base::Level::Notice, "the control client cancels the command");
  if (!peer_.send(only(Answer::Success))) gone_ = true;
  return true;
}

}  // namespace socketd
