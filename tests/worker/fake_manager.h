// SPDX-License-Identifier: MIT
// A worker as its manager sees it: the process with its descriptors, and the messages to and from it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

#include "backend/manager/messages.h"
#include "backend/worker/link.h"

namespace worker_test {

using Descriptor = vault::Fd;

class WorkerProcess {
 public:
  // Starts vtpmd with a socket pair, a listening socket at `socket_path` and a new journal.
  explicit WorkerProcess(std::string socket_path, const char* commit_patience = "30");
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;
  ~WorkerProcess();

  template <class M>
  void send(const M& message, int descriptor = -1) {
    send_bytes(message::encode(message), descriptor);
  }
  void send_bytes(base::View datagram, int descriptor = -1);

  // Whether receive() gives the worker's Endorsement, instead of answering that there is no certificate.
  bool sees_endorsements = false;
  // The same of its statistics, which are else passed over.
  bool sees_statistics = false;
  // The next datagram; nothing when the worker hung up or took longer than that.
  std::optional<base::Bytes> receive(std::chrono::milliseconds most = std::chrono::seconds(20));
  // The next message, when it is an M.
  template <class M>
  std::optional<M> expect(std::chrono::milliseconds most = std::chrono::seconds(20)) {
    auto datagram = receive(most);
    if (!datagram) return std::nullopt;
    auto decoded = message::decode<M>(*datagram);
    if (!decoded.ok()) return std::nullopt;
    return std::move(decoded).take();
  }

  // As a manager that dies, and as the next one: false when the worker does not let it in.
  void hang_up() { manager_ = Descriptor(); }
  bool connect();
  // Of the last datagram received.
  Descriptor& received_descriptor() { return received_descriptor_; }

  pid_t pid() const { return pid_; }
  void kill();
  // The wait status of its end, or nothing after that time.
  std::optional<int> wait_end(std::chrono::milliseconds most = std::chrono::seconds(10));

  Descriptor journal;

 private:
  std::optional<base::Bytes> receive_any(std::chrono::milliseconds most);

  std::string socket_path_;
  Descriptor manager_;
  Descriptor received_descriptor_;
  pid_t pid_ = -1;
};

}  // namespace worker_test
