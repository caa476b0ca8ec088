// SPDX-License-Identifier: MIT
// Connection: one client, served until it leaves.
#pragma once

#include "backend/socket/commands.h"
#include "backend/socket/ending.h"
#include "engine/engine.h"

namespace socketd {

class Connection {
 public:
  Connection(vault::Fd fd, tpm::Engine& engine, const Ending& ending)
      : fd_(std::move(fd)), engine_(engine), ending_(ending) {}

  // Returns when the client has left, has sent what is no command, or the program is to end.
  void serve();

 private:
  bool receive();
  bool execute(base::View command);
  bool send(base::View bytes);
  void refuse();

  vault::Fd fd_;
  tpm::Engine& engine_;
  const Ending& ending_;
  Commands commands_;
};

}  // namespace socketd
