// SPDX-License-Identifier: MIT
// Whoever sent a command that makes a key may change their mind.
#include <set>

#include "tests/engine/engine_machine.h"
#include "tests/engine/tpm_test.h"

namespace world {

namespace {

constexpr uint32_t kRetry = 0x800;

std::vector<Entry> commands_that_make_keys() {
  static const std::set<uint32_t> kOrdinals = {0x0d, 0x0e, 0x13, 0x1f, 0x78, 0x79, 0x7f};
  std::vector<Entry> entries;
  for (const Entry& entry : catalogue()) {
    if (kOrdinals.contains(entry.ordinal)) entries.push_back(entry);
  }
  return entries;
}

std::string name_of(const testing::TestParamInfo<Entry>& info) { return info.param.name; }

}  // namespace

class Cancelled : public testing::TestWithParam<Entry> {
 protected:
  Cancelled() : w(GetParam().stage) {}
  void cancel(bool now) { dynamic_cast<machine::EngineMachine&>(w.machine()).platform().cancel_now = now; }
  World w;
};

TEST_P(Cancelled, ChangesNothingAndCanBeTriedAgain) {
  client::Command command = GetParam().make(w);
  client::Prepared prepared = w.tpm.prepare(command);
  World::Point before = w.point();
  Bytes seen = w.fingerprint();
  cancel(true);
  EXPECT_TRUE(refused(w.tpm.finish(prepared, w.tpm.send(prepared.frame)), kRetry));
  cancel(false);
  EXPECT_EQ(w.fingerprint(), seen);
  EXPECT_EQ(w.point().snapshot.permanent, before.snapshot.permanent);
  w.restore(before);
  EXPECT_TRUE(ok(w.tpm.finish(prepared, w.tpm.send(prepared.frame))));
}

TEST(Cancelling, CoversEveryCommandThatMakesKeys) { EXPECT_EQ(commands_that_make_keys().size(), 7U); }

INSTANTIATE_TEST_SUITE_P(Catalogue, Cancelled, testing::ValuesIn(commands_that_make_keys()), name_of);

}  // namespace world
