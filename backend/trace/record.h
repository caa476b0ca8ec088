// SPDX-License-Identifier: MIT
// Record: one command and its response, as a worker tells it: a datagram of the socket that it was given.
#pragma once

#include "lib/wire/sized.h"

namespace trace {

inline constexpr uint8_t kRecordVersion = 1;
// Of one record; whatever claims to be longer is none.
inline constexpr size_t kMaxRecord = 128 * 1024;

struct Record {
  uint8_t version = kRecordVersion;
  uint8_t locality = 0;
  uint64_t number = 0;                 // counts from 1 as commands are executed
  uint64_t dropped = 0;                // how many since the one told last, because the reader was too slow
  uint64_t time_us = 0;                // when the command was taken, since 1970
  uint64_t took_us = 0;                // until its response stood on the page
  wire::SizedBytes command, response;  // secrets are hidden
};

}  // namespace trace
