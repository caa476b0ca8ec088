// SPDX-License-Identifier: MIT
// Manager: who reads the commands of an instance's guest. The worker tells them to the reader directly; the manager
// only gives every worker of the instance the way to him.
#include <sys/socket.h>

#include "backend/manager/manager.h"

namespace backend {

vault::Result<Manager::Traced> Manager::trace(const vault::Uuid& uuid) {
  TRY(vault_.entry(uuid));
  for (const auto& [id, trace] : traces_) {
    if (trace.uuid == uuid) {
      return vault::Refusal{
          vault::Refusal::Kind::Conflict,
          "instance " + vault::text_of(uuid) + " is being traced already: end the other `vtpmctl trace`"};
    }
  }
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return vault::Refusal{vault::Refusal::Kind::Broken, xen::failed("make a socket").text()};
  }
  vault::Fd reader(ends[0]), worker(ends[1]);
  make_room(worker.get());
  uint64_t id = next_serial_++;
  Trace& trace = traces_.emplace(id, Trace{uuid, std::move(worker)}).first->second;
  // It shows what a guest does: whoever looks over its shoulder leaves a mark.
  event(Level::Notice, "traced", uuid, "its commands are being traced by command");
  for (auto& [device_id, device] : devices_) {
    if (device.worker && device.back && device.back->uuid == uuid) tell_trace(device, trace.worker.get());
  }
  return Traced{id, std::move(reader)};
}

void Manager::end_trace(uint64_t id) {
  auto at = traces_.find(id);
  if (at == traces_.end()) return;
  vault::Uuid uuid = at->second.uuid;
  traces_.erase(at);
  event(Level::Notice, "trace-ended", uuid, "its commands are traced no more");
  for (auto& [device_id, device] : devices_) {
    if (device.worker && device.back && device.back->uuid == uuid) tell_trace(device, -1);
  }
}

// Of a worker that has just been started.
void Manager::begin_trace(Device& device) {
  for (const auto& [id, trace] : traces_) {
    if (trace.uuid == device.back->uuid) tell_trace(device, trace.worker.get());
  }
}

// An order that has no room is lost with the trace of this worker, which serves on.
void Manager::tell_trace(Device& device, int descriptor) {
  auto sent = device.worker->process.channel.send(message::Trace{}, descriptor);
  if (!sent.ok()) log(Level::Warning, device, "cannot be traced: " + sent.error().text());
}

}  // namespace backend
