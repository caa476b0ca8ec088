// SPDX-License-Identifier: MIT
#include "backend/socket/server.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "lib/base/verify.h"

namespace socketd {

namespace {

bool is_stream(const vault::Fd& fd) {
  int type = 0;
  socklen_t length = sizeof(type);
  return ::getsockopt(fd.get(), SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM;
}

// poll() passes over a descriptor of -1.
template <class Client>
pollfd place(const std::optional<Client>& client, const std::optional<Listener>& listener) {
  if (client) return {.fd = client->fd(), .events = client->events(), .revents = 0};
  return {.fd = listener ? listener->fd() : -1, .events = POLLIN, .revents = 0};
}

template <class Client>
int sooner(int timeout_ms, const std::optional<Client>& client) {
  int other = client ? client->timeout_ms() : -1;
  return timeout_ms < 0 || (other >= 0 && other < timeout_ms) ? other : timeout_ms;
}

}  // namespace

Server::Server(Device& device, Host& host, const Ending& ending, std::optional<Listener> stream,
               std::optional<Listener> control)
    : device_(device),
      ending_(ending),
      stream_listener_(std::move(stream)),
      control_listener_(std::move(control)),
      control_(device, [this](vault::Fd fd) { return seat(std::move(fd)); }) {
  host.cancel_when([this] {
    // Who wants to cancel may come only now.
    if (!client_ && control_listener_) accept_client();
    return client_ && client_->cancel_asked();
  });
}

void Server::run() {
  while (!ending_.asked() && !control_ended()) {
    std::array<pollfd, 3> ready = {pollfd{.fd = ending_.fd(), .events = POLLIN, .revents = 0},
                                   place(stream_, stream_listener_), place(client_, control_listener_)};
    int n = ::poll(ready.data(), ready.size(), sooner(sooner(-1, stream_), client_));
    VERIFY(n >= 0 || errno == EINTR);
    bool new_stream = !stream_ && ready[1].revents != 0, new_client = !client_ && ready[2].revents != 0;
    // The byte stream first: who has left both must not be found there by the next client's control.
    if (stream_ && !stream_->serve()) stream_.reset();
    if (client_ && !client_->serve()) client_.reset();
    if (new_stream) accept_stream();
    if (new_client) accept_client();
  }
}

bool Server::control_ended() const { return control_.shut_down() && !(client_ && client_->unsent()); }

void Server::accept_stream() {
  vault::Fd fd = stream_listener_->accept();
  if (fd && !stream_) stream_.emplace(std::move(fd), Connection::Origin::Accepted, device_);
}

void Server::accept_client() {
  vault::Fd fd = control_listener_->accept();
  if (fd) client_.emplace(std::move(fd), control_);
}

Answer Server::seat(vault::Fd fd) {
  if (stream_) return Answer::IoError;
  if (!is_stream(fd)) return Answer::BadParameter;
  stream_.emplace(std::move(fd), Connection::Origin::Passed, device_);
  return Answer::Success;
}

}  // namespace socketd
