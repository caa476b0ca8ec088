// SPDX-License-Identifier: MIT
// Version 1 of the ring before a hostile guest: any slot, any packet, granted or not, and an engine behind it.
#include "backend/ring/legacy.h"

#include <algorithm>
#include <array>

#include "backend/ring/page.h"
#include "tests/engine/engine_machine.h"
#include "tests/engine/world.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/law.h"

namespace {

using fuzz::law;
using PageBytes = std::array<uint8_t, backend::kPageBytes>;

constexpr size_t kReferenceAt = 8, kSizeAt = 14, kSlotBytes = 16;

uint32_t word_at(const PageBytes& page, size_t at) {
  return page[at] | uint32_t{page[at + 1]} << 8 | uint32_t{page[at + 2]} << 16 | uint32_t{page[at + 3]} << 24;
}

class Bell : public backend::Doorbell {
 public:
  void ring() override { rings++; }
  int rings = 0;
};

// The guest's memory: one granted page, which is copied as vtpm-grantd copies it.
class Granted : public backend::Transfers {
 public:
  Moved fetch(xen::GrantRef ref, uint16_t offset, uint16_t n) override {
    law(offset + n <= backend::kPageBytes, "what is fetched is on one page");
    if (ref != granted) return Moved::NotGranted;
    std::copy_n(packet.begin() + offset, n, in_.begin());
    return Moved::Done;
  }
  Moved deliver(xen::GrantRef ref, uint16_t offset, uint16_t n) override {
    law(offset + n <= backend::kPageBytes, "what is delivered is on one page");
    if (ref != granted) return Moved::NotGranted;
    std::copy_n(out_.begin(), n, packet.begin() + offset);
    return Moved::Done;
  }
  base::ForeignBytes incoming() const override { return base::ForeignBytes(in_); }
  base::ForeignBytes outgoing() const override { return base::ForeignBytes(out_); }

  xen::GrantRef granted{};
  PageBytes packet{};

 private:
  alignas(8) mutable PageBytes in_{};
  alignas(8) mutable PageBytes out_{};
};

struct Guest {
  alignas(8) PageBytes page{};
  Granted memory;
  Bell bell;

  uint16_t size() const { return static_cast<uint16_t>(page[kSizeAt] | page[kSizeAt + 1] << 8); }
  size_t offset() const { return word_at(page, 0) % backend::kPageBytes; }
};

// A command that was taken has its answer where it was.
void answered(const Guest& guest) {
  law(guest.bell.rings == 1, "an answer is announced once");
  uint32_t n = guest.size();
  law(n >= 10 && guest.offset() + n <= backend::kPageBytes, "an answer stays on its page");
  law(fuzz::response_at(guest.memory.packet.data() + guest.offset(), n), "an answer is a response");
}

void refused(backend::Ring::Refusal why, const Guest& guest, const PageBytes& page_before, const PageBytes& before) {
  using Refusal = backend::Ring::Refusal;
  if (why == Refusal::Idle) {
    law(guest.bell.rings == 0 && guest.page == page_before, "nothing to do is nothing done");
  } else {
    law(guest.bell.rings == 1, "a refusal is announced once");
  }
  if (why == Refusal::Idle || why == Refusal::Unreachable) {
    law(guest.memory.packet == before, "nothing is written where nothing was taken");
  }
  if (why == Refusal::Unreachable) law(guest.size() == 0, "no answer is an answer of nothing");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const machine::Snapshot kStart = [] {
    world::World world(world::Stage::Owned);
    return world.machine().snapshot();
  }();
  fuzz::Input input({data, size});
  machine::EngineMachine machine(kStart);
  Guest guest;
  backend::LegacyRing ring(base::ForeignBytes(guest.page), guest.memory, guest.bell);
  for (int request = 0; request < 6 && !input.empty(); request++) {
    uint8_t how = input.u8();
    std::ranges::copy(input.bytes(kSlotBytes), guest.page.begin());
    std::vector<uint8_t> body = input.bytes(input.u16());
    std::copy_n(body.begin(), std::min(body.size(), backend::kPageBytes - guest.offset()),
                guest.memory.packet.begin() + static_cast<std::ptrdiff_t>(guest.offset()));
    guest.memory.granted = xen::GrantRef{word_at(guest.page, kReferenceAt) + ((how & 1) != 0 ? 1U : 0U)};
    guest.bell.rings = 0;
    const PageBytes page_before = guest.page, before = guest.memory.packet;
    auto taken = (how & 2) != 0 ? ring.take_untold() : ring.take();
    if (!taken.ok()) {
      refused(taken.error(), guest, page_before, before);
      continue;
    }
    size_t n = machine.engine().execute(taken.value().locality, taken.value().command, ring.response_area());
    ring.finish(n);
    answered(guest);
  }
  return 0;
}
