// SPDX-License-Identifier: MIT
// libxenstore for the tool stack: values, permissions, transactions that are tried again, waiting for a value.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/loopback/types.h"

extern "C" {
#include <xenstore.h>
}

namespace loopback {

class StoreClient {
 public:
  static Result<StoreClient> open();

  std::optional<std::string> read(const std::string& path, xs_transaction_t within = XBT_NULL);
  std::vector<std::string> list(const std::string& path, xs_transaction_t within = XBT_NULL);
  bool write(const std::string& path, const std::string& value, xs_transaction_t within = XBT_NULL);
  bool make(const std::string& path, const std::vector<xs_permissions>& permissions,
            xs_transaction_t within = XBT_NULL);
  bool remove(const std::string& path, xs_transaction_t within = XBT_NULL);
  // Removes the node and every ancestor that is left without children.
  bool remove_with_empty_parents(std::string path, xs_transaction_t within);

  // Until it commits; false with errno when the body or the daemon refuses.
  bool transact(const std::function<bool(xs_transaction_t)>& body);
  bool introduce(DomId domain);
  bool resume(DomId domain);

  enum class Waited { Reached, TimedOut, Gone };
  Waited wait_for(const std::string& path, const std::string& value, std::chrono::milliseconds at_most);

 private:
  struct Close {
    void operator()(xs_handle* handle) const { xs_close(handle); }
  };
  explicit StoreClient(xs_handle* handle) : handle_(handle) {}
  std::unique_ptr<xs_handle, Close> handle_;
};

}  // namespace loopback
