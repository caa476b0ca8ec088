// SPDX-License-Identifier: MIT
// TPM commands as a stream of bytes: where to listen, and how commands are found in what arrives.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "lib/base/bytes.h"
#include "lib/base/fd.h"
#include "lib/xen/handle.h"

namespace frontend {

using base::Fd;

// A listening socket for "unix:PATH" or "tcp:HOST:PORT". EINVAL for anything else.
xen::Result<Fd> listen_on(const std::string& address);

// Puts commands together again, however the sender split them.
class Reassembly {
 public:
  // No command has more bytes than `most`.
  explicit Reassembly(size_t most) : most_(most) {}
  // What arrived.
  void append(base::View bytes) { base::append(pending_, bytes); }
  // The next whole command, taken out. Nothing: more bytes are needed.
  std::optional<base::Bytes> next();
  // The size in a header cannot be that of a command: where the next one begins is unknown for ever.
  bool lost() const { return lost_; }

 private:
  size_t most_;
  base::Bytes pending_;
  bool lost_ = false;
};

// The codes this program answers with itself.
inline constexpr uint32_t kTpmFail = 9, kTpmBadParamSize = 25;
// A response without parameters.
base::Bytes error_response(uint32_t return_code);

}  // namespace frontend
