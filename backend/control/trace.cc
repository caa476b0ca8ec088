// SPDX-License-Identifier: MIT
#include "backend/control/trace.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "backend/control/ask.h"
#include "backend/control/trace_print.h"
#include "backend/trace/capture.h"

namespace backend {

using nlohmann::json;

namespace {

int complain(const std::string& text) {
  std::fprintf(stderr, "vtpmctl: %s\n", text.c_str());
  return 1;
}

void print(const trace::Record& record, bool as_json) {
  std::string text = as_json ? json_of(record).dump() + "\n" : text_of(record);
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

bool write_all(int fd, base::View bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return true;
}

constexpr mode_t kOwner = 0600;

// Whether it can be had; what is in it stays until there is something to write.
vault::Fd open_capture(const std::string& path) {
  vault::Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kOwner));
  if (!file) complain(path + ": " + strerror(errno));
  return file;
}

// For root's eyes alone, also when it was there with other rights.
bool begin_capture(const vault::Fd& file, const TraceOrder& order) {
  bool begun = ::fchmod(file.get(), kOwner) == 0 && ::ftruncate(file.get(), 0) == 0 &&
               write_all(file.get(), trace::capture_head("vTPM " + order.uuid));
  if (!begun) complain(order.write + ": " + strerror(errno));
  return begun;
}

// False: it ends here, which has been said.
bool take(int reader, const vault::Fd& file, const TraceOrder& order) {
  static base::Bytes datagram(trace::kMaxRecord);
  ssize_t n = ::recv(reader, datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_TRUNC);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (n <= 0) return complain("the trace has ended"), false;
  auto record = static_cast<size_t>(n) <= datagram.size()
                    ? wire::decode<trace::Record>(base::View(datagram).first(static_cast<size_t>(n)))
                    : wire::Result<trace::Record>(wire::Malformed{});
  if (!record.ok() || record.value().version != trace::kRecordVersion) {
    return complain("what the worker tells is not understood: are both of one version?"), false;
  }
  if (!file) {
    print(record.value(), order.as_json);
  } else if (!write_all(file.get(), trace::captured(record.value()))) {
    return complain(order.write + ": " + strerror(errno)), false;
  }
  return true;
}

int follow(Control& control, int reader, const vault::Fd& file, const TraceOrder& order) {
  while (true) {
    pollfd set[] = {{reader, POLLIN, 0}, {control.fd(), POLLIN, 0}};
    if (::poll(set, std::size(set), -1) < 0 && errno != EINTR) return complain(strerror(errno));
    if (set[0].revents != 0) {
      if (!take(reader, file, order)) return 1;
    } else if (set[1].revents != 0) {
      return complain("the manager has gone");
    }
  }
}

int read_capture(const TraceOrder& order) {
  vault::Fd file(::open(order.read.c_str(), O_RDONLY | O_CLOEXEC));
  base::Bytes bytes, chunk(1 << 16);
  ssize_t n = file ? 1 : -1;
  while (n > 0) {
    n = ::read(file.get(), chunk.data(), chunk.size());
    if (n > 0) base::append(bytes, base::View(chunk).first(static_cast<size_t>(n)));
  }
  if (n < 0) return complain(order.read + ": " + strerror(errno));
  trace::CaptureReader reader(bytes);
  while (auto record = reader.next()) print(*record, order.as_json);
  return reader.why().empty() ? 0 : complain(order.read + ": " + reader.why());
}

}  // namespace

int trace_instance(const TraceOrder& order) {
  if (!order.read.empty()) return read_capture(order);
  if (order.uuid.empty()) return complain("say which instance is to be traced, or --read FILE");
  vault::Fd file;
  if (!order.write.empty()) {
    file = open_capture(order.write);
    if (!file) return 1;
  }
  Control control(order.runtime + "/control.sock");
  json answer = control.ask({{"command", "trace"}, {"uuid", order.uuid}});
  vault::Fd reader = control.take_descriptor();
  if (!answer.value("ok", false) || !reader) {
    std::string why = answer.value("error", std::string("the manager's answer is not understood"));
    if (order.as_json) std::printf("%s\n", answer.dump(2).c_str());
    return complain(why);
  }
  if (file && !begin_capture(file, order)) return 1;
  std::fprintf(stderr, "vtpmctl: tracing %s, until interrupted\n", order.uuid.c_str());
  return follow(control, reader.get(), file, order);
}

}  // namespace backend
