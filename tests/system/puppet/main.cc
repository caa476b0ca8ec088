// SPDX-License-Identifier: MIT
// puppet: a frontend that connects in order and then puts on its page exactly what it is told, header included.
//   standard input   HEADER PACKET [TIMES]   both in hex; the same request so many times, one by one
//   standard output  "connected"; then for each line "rang PAGE" or "silent PAGE", the page in hex afterwards
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <sstream>

#include "tests/system/puppet/connect.h"

namespace {

using frontend::Ring;
using std::chrono::milliseconds;

constexpr milliseconds kAnswerTime{10'000}, kSilence{300};
constexpr size_t kHeaderBytes = 8, kStateAt = 4;
constexpr uint8_t kIdle = 0, kFinish = 2;

base::Bytes from_hex(const std::string& text) {
  base::Bytes bytes;
  for (size_t at = 0; at + 1 < text.size(); at += 2) {
    bytes.push_back(static_cast<uint8_t>(strtoul(text.substr(at, 2).c_str(), nullptr, 16)));
  }
  return bytes;
}

bool rings_within(const Ring& ring, milliseconds most) {
  pollfd set{ring.fd(), POLLIN, 0};
  return poll(&set, 1, static_cast<int>(most.count())) == 1 && ring.acknowledge().ok();
}

// Whether the backend has notified.
bool put(const Ring& ring, base::View header, base::View packet) {
  base::ForeignBytes page = ring.page();
  // Bells that rang for nothing, as the one at binding.
  while (rings_within(ring, milliseconds(0))) continue;
  // The state last, when everything else is there.
  bool put = page.store_bytes(kHeaderBytes, packet) && page.store_bytes(0, header.first(kStateAt)) &&
             page.store_bytes(kStateAt + 1, header.subspan(kStateAt + 1, kHeaderBytes - kStateAt - 1)) &&
             page.store<uint8_t>(kStateAt, header[kStateAt]);
  if (!put) return false;
  ring.notify();
  bool no_request = header[kStateAt] == kIdle || header[kStateAt] == kFinish;
  return rings_within(ring, no_request ? kSilence : kAnswerTime);
}

void tell(bool rang, const Ring& ring) {
  base::Bytes page(xen::kPageBytes);
  if (!ring.page().load_bytes(0, page)) return;
  std::string hex;
  for (uint8_t byte : page) {
    char two[3];
    snprintf(two, sizeof(two), "%02x", byte);
    hex += two;
  }
  std::cout << (rang ? "rang " : "silent ") << hex << std::endl;
}

int die(const xen::SysError& error) {
  std::cout << error.text() << std::endl;
  return 1;
}

}  // namespace

int main() {
  auto ring = system_test::connect_ring();
  if (!ring.ok()) return die(ring.error());
  std::cout << "connected" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string header, packet;
    unsigned times = 1;
    words >> header >> packet >> times;
    if (header.size() != 2 * kHeaderBytes) return 2;
    bool rang = true;
    for (unsigned i = 0; i < times && rang; i++) rang = put(*ring.value(), from_hex(header), from_hex(packet));
    tell(rang, *ring.value());
  }
  return 0;
}
