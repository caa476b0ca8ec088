// SPDX-License-Identifier: MIT
#include "frontend/stream.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string_view>

#include "frontend/ring.h"

namespace frontend {

namespace {

constexpr size_t kHeaderBytes = 10;
constexpr int kBacklog = 16;

xen::SysError misaddressed() { return {EINVAL, "listen: expected unix:PATH or tcp:HOST:PORT"}; }

xen::Result<Fd> listen_unix(std::string_view path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) return misaddressed();
  memcpy(address.sun_path, path.data(), path.size());
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return xen::failed("make a socket");
  struct stat there {};
  // What an earlier run left; nothing else is removed.
  if (lstat(address.sun_path, &there) == 0 && S_ISSOCK(there.st_mode)) unlink(address.sun_path);
  // The C interface to every kind of socket takes this one type.
  const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  if (bind(fd.get(), generic, sizeof(address)) < 0 || listen(fd.get(), kBacklog) < 0) return xen::failed("listen");
  return fd;
}

xen::Result<Fd> listen_tcp(std::string_view host_and_port) {
  size_t colon = host_and_port.rfind(':');
  if (colon == std::string_view::npos) return misaddressed();
  std::string host(host_and_port.substr(0, colon)), port(host_and_port.substr(colon + 1));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (host.empty() || getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return misaddressed();
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, freeaddrinfo);
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
    Fd fd(socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int yes = 1;
    if (!fd || setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0) continue;
    if (bind(fd.get(), a->ai_addr, a->ai_addrlen) == 0 && listen(fd.get(), kBacklog) == 0) return fd;
  }
  return xen::failed("listen");
}

}  // namespace

xen::Result<Fd> listen_on(const std::string& address) {
  std::string_view text = address;
  if (text.starts_with("unix:")) return listen_unix(text.substr(5));
  if (text.starts_with("tcp:")) return listen_tcp(text.substr(4));
  return misaddressed();
}

std::optional<base::Bytes> Reassembly::next() {
  if (lost_ || pending_.size() < kHeaderBytes) return std::nullopt;
  uint32_t size = 0;
  for (size_t i = 2; i < 6; i++) size = size << 8 | pending_[i];
  lost_ = size < kHeaderBytes || size > most_;
  if (lost_ || pending_.size() < size) return std::nullopt;
  base::Bytes command(pending_.begin(), pending_.begin() + size);
  pending_.erase(pending_.begin(), pending_.begin() + size);
  return command;
}

base::Bytes error_response(uint32_t return_code) {
  base::Bytes response = {0x00, 0xc4, 0, 0, 0, kHeaderBytes};
  for (int shift = 24; shift >= 0; shift -= 8) response.push_back(static_cast<uint8_t>(return_code >> shift));
  return response;
}

}  // namespace frontend
