// SPDX-License-Identifier: MIT
// Ring: the back half of a ring of either version, one request at a time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lib/base/foreign_bytes.h"
#include "lib/base/result.h"

namespace backend {

// TPM_FAIL: what a command gets that cannot be executed, or may have been already.
inline constexpr uint32_t kTpmFail = 9;

// How the other half learns that the page has changed.
class Doorbell {
 public:
  virtual ~Doorbell() = default;
  virtual void ring() = 0;
};

struct Request {
  uint8_t locality;
  base::ForeignBytes command;  // still foreign: its bytes can change until they are loaded
};

class Ring {
 public:
  // Idle: nothing to do. Cancelled: no command was in flight, the page is Idle. The rest are malformed requests; they
  // have been answered when take() returns.
  enum class Refusal { Idle, Cancelled, UnknownState, ExtraPages, BadLength, BadLocality, Unreachable };
  virtual ~Ring() = default;

  // The request that a notification has told of.
  virtual base::Result<Request, Refusal> take() = 0;
  // One whose notification may have been lost, or that may never have been made.
  virtual base::Result<Request, Refusal> take_untold() = 0;
  // Where the answer to the request is encoded.
  virtual base::ForeignBytes response_area() const = 0;
  // Makes the answer of `length` bytes in response_area() visible.
  virtual void finish(size_t length) = 0;
  // Whether the frontend wants the command in flight cancelled.
  virtual bool cancel_asked() const = 0;
  // Whether it can serve any longer.
  virtual bool stands() const = 0;

  // Answers whatever command an earlier worker has left with the error code, without executing it.
  virtual void answer_unread(uint32_t return_code) = 0;
  // The same for a command that a notification has told of.
  virtual void answer_if_waiting(uint32_t return_code) = 0;
  // No command in flight, nothing left behind: before the page is unmapped.
  virtual void leave_idle() = 0;
};

}  // namespace backend
