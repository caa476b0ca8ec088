// SPDX-License-Identifier: MIT
// The page of a hostile guest, and its extra pages: any header, any bytes, and an engine behind it that answers into
// the same memory.
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

constexpr size_t kMostExtraPages = 7;

struct Page {
  alignas(8) std::array<uint8_t, backend::kPageBytes*(1 + kMostExtraPages)> memory{};
  Bell bell;

  uint32_t length() const {
    return memory[0] | uint32_t{memory[1]} << 8 | uint32_t{memory[2]} << 16 | uint32_t{memory[3]} << 24;
  }
  uint8_t state() const { return memory[4]; }
};

// What stands on the page after a request was answered.
void answered(const Page& page, size_t area_at, size_t end) {
  law(page.state() == 2, "an answer is FINISH");
  law(page.bell.rings == 1, "an answer is announced once");
  uint32_t n = page.length();
  law(n >= 10 && area_at + n <= end, "an answer stays on its pages");
  law(fuzz::response_at(page.memory.data() + area_at, n), "an answer is a response");
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
  uint8_t first = input.u8();
  uint8_t localities = first & 0x1f;
  size_t n_extra_pages = first >> 5;
  const size_t end = backend::kPageBytes * (1 + n_extra_pages), packet_at = 8 + 4 * n_extra_pages;
  backend::TpmPage ring(base::ForeignBytes(std::span(page.memory).first(end)), localities, page.bell);
  for (int request = 0; request < 6 && !input.empty(); request++) {
    page.bell.rings = 0;
    std::vector<uint8_t> header = input.bytes(8);
    std::vector<uint8_t> body = input.bytes(input.u16());
    std::ranges::copy(header, page.memory.begin());
    auto list = backend::extra_pages_on(base::ForeignBytes(page.memory), kMostExtraPages);
    law(list.has_value() == (page.memory[7] <= kMostExtraPages), "a list that is too long is none");
    body.resize(std::min(body.size(), end - packet_at));
    std::ranges::copy(body, page.memory.begin() + static_cast<std::ptrdiff_t>(packet_at));
    auto before = page.memory;
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
    law(before[7] == n_extra_pages, "only as many pages as were agreed on");
    law(before[4] == 1 && (localities >> taken.value().locality & 1) != 0 && taken.value().locality < 4,
        "only a submitted request of an allowed locality is taken");
    size_t n = machine.engine().execute(taken.value().locality, taken.value().command, ring.response_area());
    ring.finish(n);
    answered(page, packet_at, end);
  }
  return 0;
}
