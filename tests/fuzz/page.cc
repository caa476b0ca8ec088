// SPDX-License-Identifier: MIT
// The page of a hostile guest: any header, any bytes, and an engine behind it that answers into the same memory.
#include "backend/ring/page.h"

#include <algorithm>
#include <array>

#include "tests/engine/engine_machine.h"
#include "tests/engine/world.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/law.h"

namespace {

using fuzz::law;

class Bell : public backend::Doorbell {
 public:
  void ring() override { rings++; }
  int rings = 0;
};

struct Page {
  alignas(8) std::array<uint8_t, backend::kPageBytes> memory{};
  Bell bell;

  uint32_t length() const {
    return memory[0] | uint32_t{memory[1]} << 8 | uint32_t{memory[2]} << 16 | uint32_t{memory[3]} << 24;
  }
  uint8_t state() const { return memory[4]; }
};

// What stands on the page after a request was answered.
void answered(const Page& page, size_t area_at) {
  law(page.state() == 2, "an answer is FINISH");
  law(page.bell.rings == 1, "an answer is announced once");
  uint32_t n = page.length();
  law(n >= 10 && area_at + n <= backend::kPageBytes, "an answer stays on the page");
  const uint8_t* at = page.memory.data() + area_at;
  uint32_t size = uint32_t{at[2]} << 24 | uint32_t{at[3]} << 16 | uint32_t{at[4]} << 8 | at[5];
  law(at[0] == 0 && at[1] >= 0xc4 && at[1] <= 0xc6 && size == n, "an answer is a response");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const machine::Snapshot kStart = [] {
    world::World world(world::Stage::Owned);
    return world.machine().snapshot();
  }();
  fuzz::Input input({data, size});
  machine::EngineMachine machine(kStart);
  Page page;
  uint8_t localities = input.u8();
  backend::TpmPage ring(base::ForeignBytes(page.memory), localities, page.bell);
  for (int request = 0; request < 6 && !input.empty(); request++) {
    page.bell.rings = 0;
    std::vector<uint8_t> header = input.bytes(8);
    std::vector<uint8_t> body = input.bytes(input.u16());
    std::ranges::copy(header, page.memory.begin());
    body.resize(std::min(body.size(), backend::kPacketBytes));
    std::ranges::copy(body, page.memory.begin() + 8);
    std::array<uint8_t, backend::kPageBytes> before = page.memory;
    auto taken = ring.take();
    if (!taken.ok()) {
      using Refusal = backend::TpmPage::Refusal;
      switch (taken.error()) {
        case Refusal::Idle:
          law(page.memory == before && page.bell.rings == 0, "nothing to do is nothing done");
          break;
        case Refusal::Cancelled:
          law(page.state() == 0, "a cancelled page is IDLE");
          break;
        default:
          law(page.state() != 1, "a refused request is not left waiting");
      }
      continue;
    }
    law(before[4] == 1 && (localities >> taken.value().locality & 1) != 0 && taken.value().locality < 4,
        "only a submitted request of an allowed locality is taken");
    size_t n = machine.engine().execute(taken.value().locality, taken.value().command, ring.response_area());
    ring.finish(n);
    answered(page, 8 + 4U * before[7]);
  }
  return 0;
}
