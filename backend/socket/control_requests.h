// SPDX-License-Identifier: MIT
// The requests of swtpm's control protocol, and whole ones out of a byte stream. Every number is big-endian.
#pragma once

#include <cstdint>

#include "lib/base/bytes.h"

namespace socketd {

enum class Order : uint32_t {
  GetCapability = 1,
  Init = 2,
  Shutdown = 3,
  GetEstablished = 4,
  SetLocality = 5,
  HashStart = 6,
  HashData = 7,
  HashEnd = 8,
  Cancel = 9,
  StoreVolatile = 10,
  ResetEstablished = 11,
  GetStateBlob = 12,
  SetStateBlob = 13,
  Stop = 14,
  GetConfig = 15,
  SetDataFd = 16,
  SetBufferSize = 17,
  GetInfo = 18,
  LockStorage = 19,
};

struct ControlRequest {
  Order order{};
  base::Bytes body;  // as long as the order wants it
};

class ControlRequests {
 public:
  enum class Next {
    Incomplete,  // more bytes are needed
    Whole,
    Unknown,  // no such order: nobody can tell where the next request begins
    TooLong,  // data or a state blob beyond kMostData
  };
  static constexpr uint32_t kMostData = 1024 * 1024;

  void add(base::View bytes) { base::append(bytes_, bytes); }
  Next next(ControlRequest& request);
  size_t size() const { return bytes_.size(); }
  // As next(), for a request to cancel only; every other one is left for next().
  bool take_cancel();

 private:
  Next look();
  void drop(size_t n_bytes);
  uint32_t word(size_t at) const;

  base::Bytes bytes_;
  size_t padding_ = 0;  // how many bytes of it may still come
  size_t size_ = 0;     // of the body that look() has found
};

}  // namespace socketd
