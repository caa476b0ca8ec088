// SPDX-License-Identifier: MIT
#include "backend/control/ask.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "backend/control/failure.h"

namespace backend {

using nlohmann::json;

json Control::ask(const json& request, int descriptor) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof(address.sun_path)) return failure("the socket's path is too long");
  memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
  const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  fd_ = vault::Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd_ || ::connect(fd_.get(), generic, sizeof(address)) != 0) {
    unreachable_ = true;
    std::string why = errno == EACCES ? "only root may ask it" : "is vtpm-managerd running? See `vtpmctl doctor`";
    return failure("cannot reach the manager at " + path_ + ": " + strerror(errno) + "; " + why);
  }
  std::string line = request.dump() + "\n";
  base::View bytes(static_cast<const uint8_t*>(static_cast<const void*>(line.data())), line.size());
  // The descriptor with the first byte.
  if (base::send_with(fd_.get(), bytes, descriptor, MSG_NOSIGNAL) != static_cast<ssize_t>(line.size())) {
    return failure("the manager closed the connection");
  }
  return next().value_or(failure("the manager closed the connection"));
}

std::optional<json> Control::next() {
  std::array<uint8_t, 4096> chunk{};
  size_t end = pending_.find('\n');
  while (end == std::string::npos) {
    base::Arrived arrived = base::receive_with(fd_.get(), chunk, 0);
    if (arrived.n < 0 && errno == EINTR) continue;
    if (arrived.n <= 0) return std::nullopt;
    if (arrived.descriptor) descriptor_ = std::move(arrived.descriptor);
    pending_.append(chunk.begin(), chunk.begin() + arrived.n);
    end = pending_.find('\n');
  }
  json answer = json::parse(std::string_view(pending_).substr(0, end), nullptr, false);
  pending_.erase(0, end + 1);
  return answer.is_object() ? answer : failure("the manager's answer is not understood");
}

json host_findings() {
  json findings = json::array();
  auto find = [&](const std::string& text) { findings.push_back({{"level", "error"}, {"text", text}}); };
  std::string capabilities;
  std::getline(std::ifstream("/proc/xen/capabilities"), capabilities);
  if (::access("/proc/xen", F_OK) != 0) {
    find("this kernel does not run on Xen: boot the host with its hypervisor");
  } else if (capabilities.empty()) {
    find("/proc/xen is empty, or this domain is not dom0: mount xenfs with `mount -t xenfs xenfs /proc/xen`");
  }
  for (const auto& [device, module] :
       {std::pair("/dev/xen/gntdev", "xen-gntdev"), std::pair("/dev/xen/evtchn", "xen-evtchn")}) {
    if (::access(device, F_OK) != 0) {
      find(std::string(device) + " is missing: `modprobe " + module + "`");
    } else if (::access(device, R_OK | W_OK) != 0) {
      find(std::string(device) + " may not be opened: run as root");
    }
  }
  if (::access("/var/run/xenstored/socket", F_OK) != 0 && ::access("/dev/xen/xenbus", F_OK) != 0) {
    find("xenstored does not run: start Xen's services");
  }
  if (::geteuid() != 0) find("the manager and vtpmctl need root");
  return findings;
}

}  // namespace backend
