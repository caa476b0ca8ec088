// SPDX-License-Identifier: MIT
#include "tests/engine/stream_transport.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <thread>

namespace client {

namespace {

int connect_once(const sockaddr_storage& address, socklen_t length) {
  int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own polymorphism
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), length) == 0) return fd;
  close(fd);
  return -1;
}

bool parse(const std::string& text, sockaddr_storage& address, socklen_t& length) {
  memset(&address, 0, sizeof(address));
  if (text.starts_with("unix:")) {
    sockaddr_un un{.sun_family = AF_UNIX, .sun_path = {}};
    if (text.size() - 5 >= sizeof(un.sun_path)) return false;
    text.copy(un.sun_path, sizeof(un.sun_path) - 1, 5);
    memcpy(&address, &un, sizeof(un));
    length = sizeof(un);
    return true;
  }
  size_t colon = text.rfind(':');
  if (!text.starts_with("tcp:") || colon < 4) return false;
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(static_cast<uint16_t>(std::stoi(text.substr(colon + 1))));
  if (inet_pton(AF_INET, text.substr(4, colon - 4).c_str(), &in.sin_addr) != 1) return false;
  memcpy(&address, &in, sizeof(in));
  length = sizeof(in);
  return true;
}

}  // namespace

Stream::Stream(const std::string& text, int timeout_ms) {
  sockaddr_storage address;
  socklen_t length = 0;
  if (!parse(text, address, length)) return;
  auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while ((fd_ = connect_once(address, length)) < 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

Stream::~Stream() {
  if (fd_ >= 0) close(fd_);
}

bool Stream::write(const Bytes& bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t n = send(fd_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

bool Stream::read_exactly(Bytes& to, size_t n, int timeout_ms) {
  size_t at = to.size();
  to.resize(at + n);
  while (at < to.size()) {
    pollfd wait{.fd = fd_, .events = POLLIN, .revents = 0};
    if (poll(&wait, 1, timeout_ms) != 1) return false;
    ssize_t got = recv(fd_, to.data() + at, to.size() - at, 0);
    if (got <= 0) return false;
    at += static_cast<size_t>(got);
  }
  return true;
}

Bytes Stream::read_response(int timeout_ms) {
  Bytes response;
  if (!read_exactly(response, 10, timeout_ms)) return {};
  In header(response);
  header.u16();
  size_t size = header.u32();
  if (size < 10 || size > 1 << 20) return response;
  if (size > 10 && !read_exactly(response, size - 10, timeout_ms)) return {};
  return response;
}

bool Stream::closed_by_peer(int timeout_ms) {
  pollfd wait{.fd = fd_, .events = POLLIN, .revents = 0};
  if (poll(&wait, 1, timeout_ms) != 1) return false;
  uint8_t byte = 0;
  return recv(fd_, &byte, 1, 0) <= 0;
}

void Stream::shut_down_writing() { shutdown(fd_, SHUT_WR); }

Transport Stream::transport() {
  return [this](const Bytes& command, uint8_t) { return write(command) ? read_response() : Bytes{}; };
}

}  // namespace client
