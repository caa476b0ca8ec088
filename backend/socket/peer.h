// SPDX-License-Identifier: MIT
// Peer: the socket of a client that may be slow to read. What it does not take yet waits here; nothing ever blocks.
#pragma once

#include "backend/vault/durable.h"

namespace socketd {

class Peer {
 public:
  explicit Peer(vault::Fd fd) : fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }
  // False: it is gone.
  bool send(base::View bytes);
  bool flush() { return send({}); }
  // Whether something waits: then nothing more is to be read from it.
  bool unsent() const { return sent_ < waiting_.size(); }

  enum class Received { Something, Nothing, End };
  // What has come, as far as there is room. With `passed`, the first descriptor that came with it; others are closed.
  Received receive(base::Bytes& bytes, vault::Fd* passed = nullptr);

 private:
  vault::Fd fd_;
  base::Bytes waiting_;
  size_t sent_ = 0;
};

}  // namespace socketd
