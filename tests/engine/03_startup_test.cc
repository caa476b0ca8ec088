// SPDX-License-Identifier: MIT
#include "tests/engine/tpm_test.h"

namespace world {

constexpr uint16_t kClear = 1, kState = 2, kDeactivated = 3;

class Startup : public MadeTest {};

TEST_F(Startup, OpensTheTpm) {
  EXPECT_TRUE(refused(tpm.pcr_read(0), rc::InvalidPostInit));
  EXPECT_TRUE(ok(tpm.startup(kClear)));
  auto pcr = tpm.pcr_read(0);
  ASSERT_TRUE(ok(pcr));
  EXPECT_EQ(pcr.value, Digest{});
}

TEST_F(Startup, SetsTheDynamicPcrsToOnes) {
  ASSERT_TRUE(ok(tpm.startup(kClear)));
  Digest ones;
  ones.fill(0xff);
  for (uint32_t pcr = 0; pcr < 24; pcr++) {
    EXPECT_EQ(tpm.pcr_read(pcr).value, pcr >= 17 && pcr <= 22 ? ones : Digest{}) << pcr;
  }
}

TEST_F(Startup, ASecondOneIsRefused) {
  ASSERT_TRUE(ok(tpm.startup(kClear)));
  for (uint16_t type : {kClear, kState, kDeactivated}) EXPECT_TRUE(refused(tpm.startup(type), rc::InvalidPostInit));
}

TEST_F(Startup, AnUnknownTypeIsABadParameterAndTheTpmStaysClosed) {
  for (uint16_t type : std::initializer_list<uint16_t>{0, 4, 0x100, 0xffff}) {
    EXPECT_TRUE(refused(tpm.startup(type), rc::BadParameter)) << type;
  }
  EXPECT_TRUE(refused(tpm.pcr_read(0), rc::InvalidPostInit));
  EXPECT_TRUE(ok(tpm.startup(kClear)));
}

TEST_F(Startup, DeactivatedLastsUntilTheNextPowerCycle) {
  ASSERT_TRUE(ok(tpm.startup(kDeactivated)));
  EXPECT_TRUE(refused(tpm.get_random(8), rc::Deactivated));
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup(kClear)));
  EXPECT_TRUE(ok(tpm.get_random(8)));
}

TEST_F(Startup, StateWithoutSavedStateFailsTheTpmUntilItIsCleared) {
  client::Reply reply = tpm.startup(kState);
  EXPECT_NE(reply.code, rc::Ok);
  w.machine().power_cycle();
  EXPECT_TRUE(ok(tpm.startup(kClear)));
  EXPECT_TRUE(ok(tpm.pcr_read(0)));
}

TEST_F(Startup, StateWithoutSavedStateLeavesATpmThatTellsWhy) {
  EXPECT_TRUE(refused(tpm.startup(kState), rc::FailedSelfTest));
  EXPECT_TRUE(refused(tpm.pcr_read(0), rc::FailedSelfTest));
  EXPECT_TRUE(ok(tpm.run(0x54)));
  EXPECT_TRUE(ok(tpm.get_capability(6)));
  EXPECT_TRUE(refused(tpm.get_capability(5, Out().u32(0x101)), rc::FailedSelfTest));
}

class SaveState : public OwnedTest {
 protected:
  void cycle(uint16_t type) {
    w.machine().power_cycle();
    ASSERT_TRUE(ok(tpm.startup(type)));
  }
};

TEST_F(SaveState, PcrsAndFlagsComeBackWithStartupState) {
  auto extended = tpm.extend(10, client::secret("event"));
  ASSERT_TRUE(ok(extended));
  ASSERT_TRUE(ok(tpm.run(0x5e)));  // disableForceClear, a flag of TPM_STCLEAR_FLAGS
  ASSERT_TRUE(ok(tpm.run(0x98)));
  cycle(kState);
  EXPECT_EQ(tpm.pcr_read(10).value, extended.value);
  w.presence();
  EXPECT_TRUE(refused(tpm.run(0x5d), rc::ClearDisabled));
}

TEST_F(SaveState, IsOfNoUseAfterStartupClear) {
  ASSERT_TRUE(ok(tpm.extend(10, client::secret("event"))));
  ASSERT_TRUE(ok(tpm.run(0x98)));
  cycle(kClear);
  EXPECT_EQ(tpm.pcr_read(10).value, Digest{});
  w.machine().power_cycle();
  EXPECT_NE(tpm.startup(kState).code, rc::Ok) << "the saved state must have been used up";
}

TEST_F(SaveState, IsInvalidAfterALaterExtend) {
  ASSERT_TRUE(ok(tpm.run(0x98)));
  ASSERT_TRUE(ok(tpm.extend(10, client::secret("event"))));
  w.machine().power_cycle();
  EXPECT_NE(tpm.startup(kState).code, rc::Ok);
}

}  // namespace world
