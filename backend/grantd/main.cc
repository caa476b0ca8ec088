// SPDX-License-Identifier: MIT
// vtpm-grantd: copies to and from the pages that one guest grants for its commands, for the worker that serves it.
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "backend/grantd/copier.h"
#include "backend/grantd/descriptors.h"
#include "backend/worker/lockdown.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"

namespace backend {
namespace {

constexpr uint16_t kFirstReserved = 0x7ff0;  // of domain numbers
constexpr Allowed kAllowed[] = {
#include "backend/grantd/syscalls.inc"
};

struct Options {
  std::optional<xen::DomId> domain;
  uid_t uid_base = 1'900'032'768;  // behind the workers'
};

template <class T>
bool parse_number(std::string_view text, T highest, T& to) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to);
  return error == std::errc{} && end == text.data() + text.size() && to <= highest;
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; i += 2) {
    std::string_view name(argv[i]), value(i + 1 < argc ? argv[i + 1] : "");
    uint16_t domain = 0;
    if (name == "--uid-base" && parse_number<uid_t>(value, UINT32_MAX - kFirstReserved - 1, options.uid_base)) continue;
    if (name != "--domain" || !parse_number<uint16_t>(value, kFirstReserved - 1, domain)) return false;
    options.domain = xen::DomId{domain};
  }
  return options.domain.has_value();
}

int fail(const xen::SysError& error) {
  base::log(base::Level::Error, error.text());
  return 1;
}

xen::Result<std::span<uint8_t>> shared_memory() {
  struct stat about {};
  if (::fstat(grantd::kMemoryFd, &about) != 0) return xen::failed("look at the shared memory");
  if (about.st_size != static_cast<off_t>(transfer::kMemoryBytes)) return xen::SysError{EINVAL, "take shared memory"};
  void* at = ::mmap(nullptr, transfer::kMemoryBytes, PROT_READ | PROT_WRITE, MAP_SHARED, grantd::kMemoryFd, 0);
  if (at == MAP_FAILED) return xen::failed("map the shared memory");
  ::close(grantd::kMemoryFd);
  return std::span(static_cast<uint8_t*>(at), transfer::kMemoryBytes);
}

// The next order; nothing when the worker has ended. There is no room for descriptors, so that none comes in.
xen::Result<std::optional<transfer::Order>> next_order() {
  transfer::Order order;
  iovec part{&order, sizeof(order)};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  ssize_t n = -1;
  do n = ::recvmsg(grantd::kWorkerFd, &message, 0);
  while (n < 0 && errno == EINTR);
  if (n < 0 && errno != ECONNRESET) return xen::failed("hear the worker");
  if (n <= 0) return std::optional<transfer::Order>();
  if (n != static_cast<ssize_t>(sizeof(order))) return xen::SysError{EBADMSG, "hear the worker"};
  return std::optional(order);
}

xen::Result<> answer(transfer::Outcome outcome) {
  const auto byte = static_cast<uint8_t>(outcome);
  ssize_t n = base::send_with(grantd::kWorkerFd, base::View(&byte, 1), -1, MSG_NOSIGNAL);
  if (n < 0 && errno != EPIPE) return xen::failed("tell the worker");
  return {};
}

xen::Result<> serve(const Options& options) {
  xen::GrantCopy copy = TRY(xen::GrantCopy::open(*options.domain));
  std::span<uint8_t> memory = TRY(shared_memory());
  auto uid = static_cast<uid_t>(options.uid_base + static_cast<uint16_t>(*options.domain));
  Where host = TRY(host_of(copy.fd()));
  TRY(lock_down({uid, uid, host}, kAllowed));
  Copier copier(std::move(copy), memory);
  while (true) {
    std::optional<transfer::Order> order = TRY(next_order());
    if (!order) return {};
    transfer::Outcome outcome = TRY(copier.obey(*order));
    TRY(answer(outcome));
  }
}

}  // namespace
}  // namespace backend

int main(int argc, char** argv) {
  base::log_name("vtpm-grantd");
  backend::Options options;
  if (!backend::parse(argc, argv, options)) {
    base::log(base::Level::Error,
              "usage: vtpm-grantd --domain N [--uid-base N], with the descriptors that vtpm-managerd gives it");
    return 2;
  }
  base::log_name("vtpm-grantd " + std::to_string(static_cast<unsigned>(*options.domain)));
  signal(SIGPIPE, SIG_IGN);
  auto served = backend::serve(options);
  // Past the filter nothing that libraries do at exit may be counted on.
  ::_exit(served.ok() ? 0 : backend::fail(served.error()));
}
