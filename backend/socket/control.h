// SPDX-License-Identifier: MIT
// Control: what each request of swtpm's control protocol does to the TPM, and its response. Knows no socket.
#pragma once

#include <functional>

#include "backend/socket/control_requests.h"
#include "backend/socket/device.h"

namespace socketd {

class Control {
 public:
  // `seat` is given the descriptor that commands are to come from.
  Control(Device& device, std::function<Answer(vault::Fd)> seat) : device_(device), seat_(std::move(seat)) {}

  // `passed`: the descriptor that came with the request, if any.
  base::Bytes execute(const ControlRequest& request, vault::Fd& passed);
  // Whether a request has asked for the end of the process.
  bool shut_down() const { return shut_down_; }

 private:
  Answer init(base::View body);
  Answer set_locality(base::View body) { return device_.set_locality(body[0]); }
  Answer set_state(base::View body);
  Answer set_data_fd(vault::Fd& passed);
  base::Bytes get_state(base::View body);
  base::Bytes set_buffer_size(base::View body);
  base::Bytes get_info(base::View body);

  Device& device_;
  std::function<Answer(vault::Fd)> seat_;
  bool shut_down_ = false;
};

base::Bytes only(Answer answer);

}  // namespace socketd
