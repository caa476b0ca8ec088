// SPDX-License-Identifier: MIT
// States from anywhere: refused, or taken up and given back as they were; then the TPM executes a command.
#include "tests/engine/engine_machine.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/law.h"

namespace {

using base::ForeignBytes;

base::Bytes owned(base::View view) { return {view.begin(), view.end()}; }

void answers(tpm::Engine& engine) {
  static constexpr uint8_t kRead[] = {0, 0xc1, 0, 0, 0, 14, 0, 0, 0, 0x15, 0, 0, 0, 10};
  base::Bytes response(4088);
  size_t n = engine.execute(0, ForeignBytes::read_only(kRead), ForeignBytes(response));
  fuzz::law(n == 10 || n == 30, "a TPM that was loaded answers");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input({data, size});
  size_t n_permanent = input.u16();
  std::vector<uint8_t> permanent = input.bytes(n_permanent);
  std::vector<uint8_t> volatile_state = input.rest();
  machine::MemoryPlatform platform;
  auto loaded = tpm::Engine::load(platform, {}, permanent);
  if (!loaded.ok()) return 0;
  std::unique_ptr<tpm::Engine> engine = std::move(loaded).take();
  base::Bytes again = engine->save_permanent();
  fuzz::law(again == owned(permanent), "a permanent state that is accepted is given back");
  bool resumed = engine->resume(volatile_state).ok();
  if (resumed) {
    base::Bytes now = engine->save_volatile();
    fuzz::law(now.size() == volatile_state.size(), "a volatile state that is accepted is given back");
    auto reloaded = tpm::Engine::load(platform, {}, permanent);
    fuzz::law(reloaded.ok() && reloaded.value()->resume(now).ok(), "what was saved loads");
    answers(*engine);
  }
  engine->power_on();
  engine->startup();
  answers(*engine);
  return 0;
}
