// SPDX-License-Identifier: MIT
#include "frontend/stream_clients.h"

#include <sys/socket.h>

namespace frontend {

xen::Result<std::unique_ptr<StreamClients>> StreamClients::listen(const std::string& address, size_t most) {
  return std::unique_ptr<StreamClients>(new StreamClients(TRY(listen_on(address)), most));
}

xen::Result<> StreamClients::serve(Session& session) {
  if (!client_) {
    client_ = Fd(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    stream_ = Reassembly(most_);
    return {};
  }
  uint8_t buffer[4096];
  ssize_t n = recv(client_.get(), buffer, sizeof(buffer), 0);
  if (n < 0 && errno == EINTR) return {};
  if (n <= 0) {
    hang_up();
    return {};
  }
  stream_.append({buffer, static_cast<size_t>(n)});
  while (auto command = stream_.next()) {
    if (!answer(session.execute(*command, 0))) hang_up();
  }
  if (!stream_.lost()) return {};
  answer(error_response(kTpmBadParamSize));
  hang_up();
  return {};
}

bool StreamClients::answer(base::View response) const {
  while (!response.empty()) {
    ssize_t n = send(client_.get(), response.data(), response.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    response = response.subspan(static_cast<size_t>(n));
  }
  return true;
}

}  // namespace frontend
