// SPDX-License-Identifier: MIT
// A raw TPM 1.2 byte stream over a socket, as TrouSerS speaks it.
#pragma once

#include <string>

#include "tests/engine/tpm_client.h"

namespace client {

class Stream {
 public:
  // "tcp:HOST:PORT" (numeric host) or "unix:PATH". Tries until `timeout_ms` is over.
  explicit Stream(const std::string& address, int timeout_ms = 5000);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  bool connected() const { return fd_ >= 0; }
  bool write(const Bytes& bytes);
  // One whole response; empty when the peer closed or nothing came within `timeout_ms`.
  Bytes read_response(int timeout_ms = 60000);
  // The peer has closed, and sent nothing before.
  bool closed_by_peer(int timeout_ms = 5000);
  void shut_down_writing();
  Transport transport();

 private:
  bool read_exactly(Bytes& to, size_t n, int timeout_ms);
  int fd_ = -1;
};

}  // namespace client
