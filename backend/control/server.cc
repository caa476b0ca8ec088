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
  clients_[number] = {.fd = std::move(fd), .serial = next_serial_++};
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

// With a trace's reader beside the first byte. False: the client has gone.
bool ControlServer::say(int fd, const Reply& reply) {
  std::string line = reply.line + "\n";
  base::View bytes(static_cast<const uint8_t*>(static_cast<const void*>(line.data())), line.size());
  int descriptor = reply.traced ? reply.traced->reader.get() : -1;
  if (base::send_with(fd, bytes, descriptor, MSG_NOSIGNAL) == static_cast<ssize_t>(line.size())) return true;
  close(fd);
  return false;
}

// With at most one descriptor.
ssize_t ControlServer::take(int fd) {
  Client& client = clients_.at(fd);
  std::array<uint8_t, 65536> chunk{};
  base::Arrived arrived = base::receive_with(fd, chunk, MSG_DONTWAIT);
  if (arrived.descriptor && !arrived.several) client.attached = std::move(arrived.descriptor);
  if (arrived.n > 0) client.pending.append(chunk.begin(), chunk.begin() + arrived.n);
  return arrived.n;
}

bool ControlServer::answer_line(int fd, std::string_view line) {
  uint64_t serial = clients_.at(fd).serial;
  auto same = [this, fd, serial] {
    auto at = clients_.find(fd);
    return at != clients_.end() && at->second.serial == serial;
  };
  Reply reply = answer(manager_, line, std::move(clients_.at(fd).attached));
  if (reply.later) {
    reply.later([this, fd, same](const std::string& known) {
      if (same()) say(fd, {.line = known});
    });
    return same();
  }
  // An event of its own doing may have found this client too slow.
  if (!same()) {
    if (reply.traced) manager_.end_trace(reply.traced->id);
    return false;
  }
  Client& client = clients_.at(fd);
  if (reply.traced && client.trace) manager_.end_trace(*client.trace);  // one a connection
  if (reply.traced) client.trace = reply.traced->id;
  client.follows = client.follows || reply.follows;
  return say(fd, reply);
}

void ControlServer::on_request(int fd) {
  if (!clients_.contains(fd)) return;
  ssize_t n = take(fd);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return close(fd);
  while (true) {
    std::string& pending = clients_.at(fd).pending;
    size_t end = pending.find('\n');
    if (end == std::string::npos) break;
    std::string line = pending.substr(0, end);
    pending.erase(0, end + 1);
    if (!answer_line(fd, line)) return;
  }
  if (clients_.at(fd).pending.size() > kLongestLine) close(fd);
}

}  // namespace backend
