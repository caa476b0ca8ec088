// SPDX-License-Identifier: MIT
// The guest of the ring's benchmark: a frontend that sends one command so many times and says how long a round trip
// takes.
//   standard input   CPU TIMES COMMAND, the command in hex; standard output "connected", then a line NANOSECONDS each
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <vector>

#include "tests/system/puppet/connect.h"

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPatience{10'000};

base::Bytes from_hex(const std::string& text) {
  base::Bytes bytes;
  for (size_t at = 0; at + 1 < text.size(); at += 2) {
    bytes.push_back(static_cast<uint8_t>(strtoul(text.substr(at, 2).c_str(), nullptr, 16)));
  }
  return bytes;
}

bool succeeded(base::View response) {
  constexpr size_t kHeader = 10, kCodeAt = 6;
  return response.size() >= kHeader &&
         std::ranges::all_of(response.subspan(kCodeAt, 4), [](uint8_t b) { return b == 0; });
}

}  // namespace

int main() {
  auto ring = system_test::connect_ring();
  if (!ring.ok()) {
    std::cerr << ring.error().text() << std::endl;
    return 1;
  }
  std::cout << "connected" << std::endl;
  int cpu = 0, times = 0;
  for (std::string text; std::cin >> cpu >> times >> text;) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<size_t>(cpu), &set);
    sched_setaffinity(0, sizeof(set), &set);
    base::Bytes command = from_hex(text);
    std::vector<int64_t> took;
    for (int i = 0; i < times; i++) {
      auto start = Clock::now();
      auto response = ring.value()->transact(command, 0, kPatience);
      took.push_back(std::chrono::nanoseconds(Clock::now() - start).count());
      if (!response.ok() || !succeeded(response.value())) return 1;
    }
    std::ranges::nth_element(took, took.begin() + times / 2);
    std::cout << took[static_cast<size_t>(times) / 2] << std::endl;
  }
  return 0;
}
