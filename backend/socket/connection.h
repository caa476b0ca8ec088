// SPDX-License-Identifier: MIT
// Connection: one client of the byte stream.
#pragma once

#include "backend/socket/commands.h"
#include "backend/socket/device.h"
#include "backend/socket/peer.h"

namespace socketd {

class Connection {
 public:
  // Where nobody can tell the next command's begin: a client that came by itself is sent away; one that somebody passed
  // has sent one command and waits, so that what has come is all of it.
  enum class Origin { Accepted, Passed };
  Connection(vault::Fd fd, Origin origin, Device& device) : peer_(std::move(fd)), origin_(origin), device_(device) {}

  int fd() const { return peer_.fd(); }
  // What to wait for, and how long at most (-1: for ever).
  short events() const;
  int timeout_ms() const;
  // After a wait: takes what has come and executes one command. False: it is over.
  bool serve();

 private:
  bool receive();
  bool execute_next();
  bool refuse();
  bool drain();

  Peer peer_;
  Origin origin_;
  Device& device_;
  Commands commands_;
  bool more_ = false;  // another command may be there in full
  std::optional<uint64_t> leaving_ms_;
  size_t drained_ = 0;
};

}  // namespace socketd
