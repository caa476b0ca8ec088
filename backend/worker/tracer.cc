// SPDX-License-Identifier: MIT
#include "backend/worker/tracer.h"

#include <sys/socket.h>

#include <cerrno>
#include <chrono>

#include "backend/trace/fields.h"
#include "lib/base/fd.h"
#include "lib/base/verify.h"

namespace backend {

namespace {

uint64_t wall_clock_us() {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

// A command ends where it says that it does; behind it the page may hold anything.
size_t own_size(base::View command) {
  constexpr size_t kSizeAt = 2;
  size_t size = 0;
  for (size_t i = 0; i < sizeof(uint32_t); i++) size = size << 8 | command[kSizeAt + i];
  return size >= trace::kHeadBytes && size <= command.size() ? size : command.size();
}

}  // namespace

size_t Tracer::execute(tpm::Engine& engine, const Request& request, base::ForeignBytes response) {
  record_.time_us = wall_clock_us();
  record_.locality = request.locality;
  record_.number++;
  base::Bytes& command = record_.command.bytes();
  base::Bytes& answer = record_.response.bytes();
  command.resize(request.command.size());
  VERIFY(request.command.load_bytes(0, command));
  answer.resize(response.size());
  size_t length = engine.execute(request.locality, base::ForeignBytes::read_only(command), base::ForeignBytes(answer));
  command.resize(own_size(command));
  answer.resize(length);
  VERIFY(response.store_bytes(0, answer));
  return length;
}

void Tracer::tell(uint64_t took_us) {
  record_.took_us = took_us;
  uint32_t ordinal = trace::decode(record_.command, trace::Half::Command).ordinal;
  trace::hide(record_.response.bytes(), trace::Half::Response, ordinal);
  trace::hide(record_.command.bytes(), trace::Half::Command);
  base::Bytes datagram = wire::encode(record_);
  ssize_t n = base::send_with(reader_.get(), datagram, -1, MSG_NOSIGNAL | MSG_DONTWAIT);
  bool slow = n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == EMSGSIZE || errno == EINTR);
  record_.dropped = slow ? record_.dropped + 1 : 0;
  if (n < 0 && !slow) reader_ = vault::Fd();
  record_.command = {};
  record_.response = {};
}

}  // namespace backend
