// SPDX-License-Identifier: MIT
#include "backend/socket/connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <chrono>

#include "lib/base/log.h"

namespace socketd {

namespace {

// How long, and for how much, a client that is sent away is listened to: closing with bytes unread would reset the
// connection and could take the answer away from it.
constexpr uint64_t kPatienceMs = 1000;
constexpr size_t kMostDrained = 1 << 20;

uint64_t now_ms() {
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

}  // namespace

short Connection::events() const {
  if (peer_.unsent()) return POLLOUT;
  return more_ ? 0 : POLLIN;
}

int Connection::timeout_ms() const {
  if (leaving_ms_) {
    uint64_t now = now_ms();
    return now >= *leaving_ms_ ? 0 : static_cast<int>(*leaving_ms_ - now);
  }
  return more_ && !peer_.unsent() ? 0 : -1;
}

bool Connection::serve() {
  if (!peer_.flush()) return false;
  if (leaving_ms_) return drain();
  if (peer_.unsent()) return true;
  if (!more_ && !receive()) return false;
  return execute_next();
}

bool Connection::receive() {
  base::Bytes bytes;
  if (peer_.receive(bytes) == Peer::Received::End) return false;
  commands_.add(bytes);
  return true;
}

bool Connection::execute_next() {
  base::Bytes command;
  Commands::Next next = commands_.next(command);
  more_ = next == Commands::Next::Whole;
  if (next == Commands::Next::BadSize) return refuse();
  return !more_ || peer_.send(device_.execute(command));
}

bool Connection::refuse() {
  constexpr std::array<uint8_t, 10> kBadParamSize = {0x00, 0xc4, 0, 0, 0, 10, 0, 0, 0, 0x19};
  commands_.forget();
  if (!peer_.send(kBadParamSize)) return false;
  if (origin_ == Origin::Passed) return true;
  base::log(base::Level::Notice, "a client sent a size that no command has: its connection is closed");
  leaving_ms_ = now_ms() + kPatienceMs;
  return drain();
}

bool Connection::drain() {
  if (now_ms() >= *leaving_ms_) return false;
  if (peer_.unsent()) return true;
  ::shutdown(peer_.fd(), SHUT_WR);
  base::Bytes unread;
  if (peer_.receive(unread) == Peer::Received::End) return false;
  drained_ += unread.size();
  return drained_ < kMostDrained;
}

}  // namespace socketd
