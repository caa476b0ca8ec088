// SPDX-License-Identifier: MIT
#include "tests/system/puppet/connect.h"

#include <chrono>
#include <thread>

#include "lib/xen/store.h"

namespace system_test {

namespace {

xen::Result<> wait_for_state(const xen::Store& store, const xen::Path& device, unsigned wanted) {
  constexpr int kAttempts = 1500;
  for (int i = 0; i < kAttempts; i++) {
    auto state = store.read(device / "state");
    if (state.ok() && state.value() == std::to_string(wanted)) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return xen::SysError{ETIMEDOUT, "wait for the backend"};
}

}  // namespace

xen::Result<std::unique_ptr<frontend::Ring>> connect_ring() {
  constexpr unsigned kInitialised = 3, kConnected = 4;
  xen::Store store = TRY(xen::Store::open());
  auto front = xen::Path::parse("device/vtpm/0");
  auto back = xen::Path::parse(TRY(store.read(*front / "backend")));
  auto ring = TRY(frontend::Ring::make(xen::DomId{0}));
  TRY(store.write(*front / "ring-ref", std::to_string(static_cast<uint32_t>(ring->ref()))));
  TRY(store.write(*front / "event-channel", std::to_string(static_cast<uint32_t>(ring->port()))));
  TRY(store.write(*front / "feature-protocol-v2", "1"));
  TRY(store.write(*front / "state", std::to_string(kInitialised)));
  TRY(wait_for_state(store, *back, kConnected));
  TRY(store.write(*front / "state", std::to_string(kConnected)));
  return ring;
}

}  // namespace system_test
