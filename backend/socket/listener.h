// SPDX-License-Identifier: MIT
// Listener: where clients come in, a TCP port or a Unix socket.
#pragma once

#include "backend/socket/state_file.h"

namespace socketd {

class Listener {
 public:
  // tcp:HOST:PORT (port 0: any that is free) or unix:PATH.
  static Or<Listener> open(const std::string& address);
  Listener(Listener&&) = default;
  ~Listener();

  int fd() const { return fd_.get(); }
  // The next connection; nothing when the client has gone already.
  vault::Fd accept() const;
  // As open() takes it, with the port that it became.
  const std::string& address() const { return address_; }
  // Whether only this machine can reach it.
  bool local() const { return local_; }

 private:
  Listener(vault::Fd fd, std::string address, bool local)
      : fd_(std::move(fd)), address_(std::move(address)), local_(local) {}
  static Or<Listener> open_tcp(const std::string& host, const std::string& port);
  static Or<Listener> open_unix(const std::string& path);

  vault::Fd fd_;
  std::string address_;
  bool local_;
};

}  // namespace socketd
