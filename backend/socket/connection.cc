// SPDX-License-Identifier: MIT
#include "backend/socket/connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "lib/base/log.h"

namespace socketd {

namespace {

bool try_again() { return errno == EAGAIN || errno == EINTR; }

}  // namespace

void Connection::serve() {
  base::Bytes command;
  for (;;) {
    switch (commands_.next(command)) {
      case Commands::Next::Incomplete:
        if (!receive()) return;
        break;
      case Commands::Next::Whole:
        if (!execute(command)) return;
        break;
      case Commands::Next::BadSize:
        refuse();
        return;
    }
  }
}

bool Connection::receive() {
  std::array<uint8_t, kBufferBytes> bytes;
  for (;;) {
    if (ending_.before(fd_.get(), POLLIN)) return false;
    ssize_t n = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
    if (n < 0 && try_again()) continue;
    if (n <= 0) return false;
    commands_.add(base::View(bytes).first(static_cast<size_t>(n)));
    base::wipe(bytes.data(), static_cast<size_t>(n));
    return true;
  }
}

bool Connection::execute(base::View command) {
  base::Bytes response(kBufferBytes);
  size_t n = engine_.execute(0, base::ForeignBytes::read_only(command), base::ForeignBytes(response));
  return send(base::View(response).first(n));
}

bool Connection::send(base::View bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && !try_again()) return false;
    if (n < 0 && ending_.before(fd_.get(), POLLOUT)) return false;
    if (n > 0) bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return true;
}

void Connection::refuse() {
  base::log(base::Level::Notice, "a client sent a size that no command has: its connection is closed");
  constexpr std::array<uint8_t, 10> kBadParamSize = {0x00, 0xc4, 0, 0, 0, 10, 0, 0, 0, 0x19};
  if (!send(kBadParamSize)) return;
  // Closing with bytes unread would reset the connection and could take the answer away from the client.
  ::shutdown(fd_.get(), SHUT_WR);
  constexpr int kPatienceMs = 1000;
  constexpr size_t kMostBytes = 1 << 20;
  std::array<uint8_t, kBufferBytes> unread;
  for (size_t read = 0; read < kMostBytes;) {
    pollfd wait{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&wait, 1, kPatienceMs) != 1) return;
    ssize_t n = ::recv(fd_.get(), unread.data(), unread.size(), 0);
    if (n <= 0) return;
    read += static_cast<size_t>(n);
  }
}

}  // namespace socketd
