// SPDX-License-Identifier: MIT
// A worker that a guest has taken over: in the place of vtpmd it tells the manager of an endorsement key as it pleases.
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "backend/manager/messages.h"

namespace {

void say(base::View datagram) {
  static_cast<void>(::send(message::kManagerFd, datagram.data(), datagram.size(), MSG_NOSIGNAL));
}
void hear() {
  base::Bytes datagram(message::kMaxMessage);
  static_cast<void>(::recv(message::kManagerFd, datagram.data(), datagram.size(), 0));
}

message::Endorsement of_key(uint8_t filling) {
  message::Endorsement told{.present = true, .wants_certificate = true};
  told.modulus.fill(filling);
  return told;
}

}  // namespace

int main(int argc, char** argv) {
  std::string lie = argc > 1 ? argv[1] : "";
  hear();  // Start
  if (lie == "even") {
    say(message::encode(of_key(0xf0)));
  } else if (lie == "small") {
    say(message::encode(of_key(0x7f)));
  } else if (lie == "absent") {
    message::Endorsement told = of_key(0xf1);
    told.present = false;
    say(message::encode(told));
  } else if (lie == "short") {
    base::Bytes told = message::encode(of_key(0xf1));
    told.resize(told.size() - 1);
    say(told);
  } else if (lie == "twice") {
    say(message::encode(of_key(0xf3)));
    hear();  // Certificate
    say(message::encode(of_key(0xf1)));
  } else if (lie == "another") {
    say(message::encode(of_key(0xf3)));
  } else if (lie == "late") {
    say(message::encode(message::Ready{}));
    say(message::encode(of_key(0xf1)));
  }
  hear();
  ::pause();
}
