// SPDX-License-Identifier: MIT
#include "backend/control/server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>

namespace backend {

namespace {
constexpr size_t kLongestLine = 6 << 20;  // an export in base64
constexpr size_t kMostClients = 16;
}  // namespace

ControlServer::ControlServer(Loop& loop, Manager& manager) : loop_(loop), manager_(manager) {
  manager_.events().listen([this](const AdminEvent& event) { on_event(event); });
}

// Who does not read fast enough is dropped, and sees by the numbers what it missed when it comes back.
void ControlServer::on_event(const AdminEvent& event) {
  std::string line = line_of(event) + "\n";
  std::vector<int> slow;
  for (auto& [fd, client] : clients_) {
    if (!client.follows) continue;
    ssize_t n = ::send(fd, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n != static_cast<ssize_t>(line.size())) slow.push_back(fd);
  }
  for (int fd : slow) close(fd);
}

// Under its name it is there when it listens, and not before.
xen::Result<> ControlServer::listen(const std::string& path) {
  const std::string fresh = path + ".new";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (fresh.size() >= sizeof(address.sun_path)) return xen::SysError{ENAMETOOLONG, "make the control socket"};
  memcpy(address.sun_path, fresh.c_str(), fresh.size() + 1);
  ::unlink(fresh.c_str());
  listening_ = vault::Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  if (!listening_ || ::bind(listening_.get(), generic, sizeof(address)) != 0 || ::chmod(fresh.c_str(), 0600) != 0 ||
      ::listen(listening_.get(), 8) != 0 || ::rename(fresh.c_str(), path.c_str()) != 0) {
    return xen::failed("make the control socket");
  }
  loop_.add(listening_.get(), [this] { on_connection(); });
  return {};
}

void ControlServer::on_connection() {
  vault::Fd fd(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!fd || clients_.size() >= kMostClients) return;
  ucred who{};
  socklen_t size = sizeof(who);
  bool known = ::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) == 0;
  bool allowed = known && (who.uid == 0 || who.uid == ::geteuid());
  // A client that does not take its answer is dropped instead of holding up everybody.
  timeval patience{.tv_sec = 1, .tv_usec = 0};
  if (!allowed || ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0) return;
  int number = fd.get();
  clients_[number] = {std::move(fd), {}};
  loop_.add(number, [this, number] { on_request(number); });
}

void ControlServer::close(int fd) {
  auto at = clients_.find(fd);
  if (at == clients_.end()) return;
  std::optional<uint64_t> trace = at->second.trace;
  loop_.remove(fd);
  clients_.erase(at);
  if (trace) manager_.end_trace(*trace);
}

bool ControlServer::send(int fd, const Reply& reply) {
  iovec part{const_cast<char*>(reply.line.data()), reply.line.size()};  // sendmsg only reads it
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  if (reply.traced) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    int reader = reply.traced->reader.get();
    memcpy(CMSG_DATA(rights), &reader, sizeof(reader));
  }
  return ::sendmsg(fd, &header, MSG_NOSIGNAL) == static_cast<ssize_t>(reply.line.size());
}

void ControlServer::on_request(int fd) {
  auto at = clients_.find(fd);
  if (at == clients_.end()) return;
  std::array<char, 65536> chunk{};
  ssize_t n = ::recv(fd, chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return close(fd);
  std::string& pending = at->second.pending;
  pending.append(chunk.data(), static_cast<size_t>(n));
  for (size_t end = pending.find('\n'); end != std::string::npos; end = pending.find('\n')) {
    Reply reply = answer(manager_, std::string_view(pending).substr(0, end));
    reply.line += "\n";
    // An event of its own doing may have found this client too slow.
    if (!clients_.contains(fd)) {
      if (reply.traced) manager_.end_trace(reply.traced->id);
      return;
    }
    pending.erase(0, end + 1);
    if (reply.traced && at->second.trace) manager_.end_trace(*at->second.trace);  // one a connection
    if (reply.traced) at->second.trace = reply.traced->id;
    if (!send(fd, reply)) return close(fd);
    at->second.follows = at->second.follows || reply.follows;
  }
  if (pending.size() > kLongestLine) close(fd);
}

}  // namespace backend
