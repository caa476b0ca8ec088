// SPDX-License-Identifier: MIT
#include "backend/socket/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace socketd {

namespace {

constexpr int kWaiting = 16;

std::string because(const std::string& address) { return "cannot listen on " + address + ": " + strerror(errno); }

const sockaddr* generic(const sockaddr_un& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

// A socket that a daemon left behind that did not end by itself, and that nobody answers on.
bool left_behind(const sockaddr_un& address) {
  struct stat about {};
  if (::lstat(address.sun_path, &about) != 0 || !S_ISSOCK(about.st_mode)) return false;
  vault::Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(probe.get(), generic(address), sizeof(address)) != 0 && errno == ECONNREFUSED;
}

bool on_this_machine(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    in_addr_t host = static_cast<const sockaddr_in*>(static_cast<const void*>(&address))->sin_addr.s_addr;
    return ntohl(host) >> 24 == IN_LOOPBACKNET;
  }
  const auto& six = *static_cast<const sockaddr_in6*>(static_cast<const void*>(&address));
  return IN6_IS_ADDR_LOOPBACK(&six.sin6_addr) != 0;
}

}  // namespace

Or<Listener> Listener::open(const std::string& address) {
  if (address.starts_with("unix:")) return open_unix(address.substr(5));
  size_t colon = address.rfind(':');
  if (!address.starts_with("tcp:") || colon <= 4) {
    return "where to listen is tcp:HOST:PORT or unix:PATH, not \"" + address + "\"";
  }
  std::string host = address.substr(4, colon - 4);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return open_tcp(host, address.substr(colon + 1));
}

Or<Listener> Listener::open_tcp(const std::string& host, const std::string& port) {
  std::string text = "tcp:" + host + ":";
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) return "cannot listen on " + text + port + ": " + ::gai_strerror(error);
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> free(found, ::freeaddrinfo);

  vault::Fd fd(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  int on = 1;
  bool listens = fd && ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
                 ::bind(fd.get(), found->ai_addr, found->ai_addrlen) == 0 && ::listen(fd.get(), kWaiting) == 0;
  if (!listens) return because(text + port);
  sockaddr_storage bound{};
  socklen_t length = sizeof(bound);
  auto* as_any = static_cast<sockaddr*>(static_cast<void*>(&bound));
  if (::getsockname(fd.get(), as_any, &length) != 0) return because(text + port);
  // The port stands at the same place in both families.
  text += std::to_string(ntohs(static_cast<const sockaddr_in*>(static_cast<const void*>(&bound))->sin_port));
  return Listener(std::move(fd), text, on_this_machine(bound));
}

Or<Listener> Listener::open_unix(const std::string& path) {
  std::string text = "unix:" + path;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return "cannot listen on " + text + ": a path of 1 to " + std::to_string(sizeof(address.sun_path) - 1) + " bytes";
  }
  path.copy(address.sun_path, path.size());
  if (left_behind(address)) ::unlink(path.c_str());
  vault::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  mode_t before = ::umask(0177);  // who may connect commands the TPM: the owner alone
  bool listens = fd && ::bind(fd.get(), generic(address), sizeof(address)) == 0 && ::listen(fd.get(), kWaiting) == 0;
  int error = errno;
  ::umask(before);
  errno = error;
  if (!listens) return because(text);
  return Listener(std::move(fd), text, true);
}

Listener::~Listener() {
  if (fd_ && address_.starts_with("unix:")) ::unlink(address_.c_str() + 5);
}

vault::Fd Listener::accept() const {
  vault::Fd client(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  int on = 1;
  // A Unix socket refuses this and has no need of it.
  if (client) static_cast<void>(::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
  return client;
}

}  // namespace socketd
