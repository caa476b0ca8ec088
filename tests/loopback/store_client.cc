// SPDX-License-Identifier: MIT
#include "tests/loopback/store_client.h"

#include <poll.h>

#include <cstdlib>

namespace loopback {

Result<StoreClient> StoreClient::open() {
  xs_handle* handle = xs_open(0);
  if (handle == nullptr) return last_error();
  return StoreClient(handle);
}

std::optional<std::string> StoreClient::read(const std::string& path, xs_transaction_t within) {
  unsigned length = 0;
  std::unique_ptr<void, decltype(&free)> value(xs_read(handle_.get(), within, path.c_str(), &length), free);
  if (!value) return std::nullopt;
  return std::string(static_cast<char*>(value.get()), length);
}

std::vector<std::string> StoreClient::list(const std::string& path, xs_transaction_t within) {
  unsigned n = 0;
  std::unique_ptr<char*, decltype(&free)> names(xs_directory(handle_.get(), within, path.c_str(), &n), free);
  if (!names) return {};
  return {names.get(), names.get() + n};
}

bool StoreClient::write(const std::string& path, const std::string& value, xs_transaction_t within) {
  return xs_write(handle_.get(), within, path.c_str(), value.data(), static_cast<unsigned>(value.size()));
}

bool StoreClient::make(const std::string& path, const std::vector<xs_permissions>& permissions,
                       xs_transaction_t within) {
  std::vector<xs_permissions> copy = permissions;
  return xs_mkdir(handle_.get(), within, path.c_str()) &&
         xs_set_permissions(handle_.get(), within, path.c_str(), copy.data(), static_cast<unsigned>(copy.size()));
}

bool StoreClient::remove(const std::string& path, xs_transaction_t within) {
  return xs_rm(handle_.get(), within, path.c_str()) || errno == ENOENT;
}

bool StoreClient::remove_with_empty_parents(std::string path, xs_transaction_t within) {
  if (!remove(path, within)) return false;
  for (size_t slash = path.rfind('/'); slash != std::string::npos && slash > 0; slash = path.rfind('/')) {
    path.resize(slash);
    unsigned n = 0;
    std::unique_ptr<char*, decltype(&free)> names(xs_directory(handle_.get(), within, path.c_str(), &n), free);
    if (!names || n > 0) break;
    if (!remove(path, within)) return false;
  }
  return true;
}

bool StoreClient::transact(const std::function<bool(xs_transaction_t)>& body) {
  for (;;) {
    xs_transaction_t transaction = xs_transaction_start(handle_.get());
    if (transaction == XBT_NULL) return false;
    if (!body(transaction)) {
      int reason = errno;
      xs_transaction_end(handle_.get(), transaction, true);
      errno = reason;
      return false;
    }
    if (xs_transaction_end(handle_.get(), transaction, false)) return true;
    if (errno != EAGAIN) return false;
  }
}

bool StoreClient::introduce(DomId domain) {
  return xs_introduce_domain(handle_.get(), raw(domain), 1, 1);  // there is no ring page: the domain has a socket
}

bool StoreClient::resume(DomId domain) { return xs_resume_domain(handle_.get(), raw(domain)); }

StoreClient::Waited StoreClient::wait_for(const std::string& path, const std::string& value,
                                          std::chrono::milliseconds at_most) {
  auto deadline = std::chrono::steady_clock::now() + at_most;
  if (!xs_watch(handle_.get(), path.c_str(), "wait")) return Waited::Gone;
  Waited result = Waited::TimedOut;
  while (result == Waited::TimedOut) {
    std::optional<std::string> now = read(path);
    if (!now) result = Waited::Gone;
    if (now == value) result = Waited::Reached;
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (result != Waited::TimedOut || left.count() <= 0) break;
    pollfd event{.fd = xs_fileno(handle_.get()), .events = POLLIN, .revents = 0};
    if (poll(&event, 1, static_cast<int>(left.count())) > 0) free(xs_check_watch(handle_.get()));
  }
  xs_unwatch(handle_.get(), path.c_str(), "wait");
  return result;
}

}  // namespace loopback
