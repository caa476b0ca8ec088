// SPDX-License-Identifier: MIT
#include "tests/engine/tpm_test.h"

namespace world {

namespace {

// One byte of TPM_PERMANENT_FLAGS (TPM_CAP_FLAG_PERMANENT) or TPM_STCLEAR_FLAGS; the tag is two bytes.
bool flag(Tpm& tpm, uint32_t which, size_t n) {
  auto flags = tpm.get_capability(4, Out().u32(which));
  return flags.ok() && flags.value.size() > 2 + n && flags.value[2 + n] != 0;
}
bool disabled(Tpm& tpm) { return flag(tpm, 0x108, 0); }
bool ownership(Tpm& tpm) { return flag(tpm, 0x108, 1); }
bool deactivated(Tpm& tpm) { return flag(tpm, 0x108, 2); }
bool deactivated_now(Tpm& tpm) { return flag(tpm, 0x109, 0); }

}  // namespace

class OptIn : public OwnedTest {};
class OptInUnowned : public StartedTest {};

TEST_F(OptInUnowned, SetOwnerInstallSetsTheFlag) {
  w.presence();
  ASSERT_TRUE(ownership(tpm));
  ASSERT_TRUE(ok(tpm.run(0x71, Out().u8(0))));
  EXPECT_FALSE(ownership(tpm));
  ASSERT_TRUE(ok(tpm.run(0x71, Out().u8(1))));
  EXPECT_TRUE(ownership(tpm));
}

TEST_F(OptInUnowned, SetOwnerInstallNeedsPresence) {
  EXPECT_TRUE(refused(tpm.run(0x71, Out().u8(0)), rc::BadPresence));
  EXPECT_TRUE(ownership(tpm));
}

TEST_F(OptIn, SetOwnerInstallWithAnOwnerSucceedsAndDoesNothing) {
  bool before = ownership(tpm);
  EXPECT_TRUE(ok(tpm.run(0x71, Out().u8(0))));
  EXPECT_EQ(ownership(tpm), before);
}

TEST_F(OptIn, OwnerSetDisableDisablesAndEnables) {
  ASSERT_TRUE(ok(tpm.run_oiap({.ordinal = 0x6e, .params = Out().u8(1)}, kOwnerAuth)));
  EXPECT_TRUE(disabled(tpm));
  EXPECT_TRUE(refused(tpm.get_random(1), rc::Disabled));
  ASSERT_TRUE(ok(tpm.run_oiap({.ordinal = 0x6e, .params = Out().u8(0)}, kOwnerAuth)));
  EXPECT_FALSE(disabled(tpm));
  EXPECT_TRUE(ok(tpm.get_random(1)));
}

TEST_F(OptIn, OwnerSetDisableOutlastsThePower) {
  ASSERT_TRUE(ok(tpm.run_oiap({.ordinal = 0x6e, .params = Out().u8(1)}, kOwnerAuth)));
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_TRUE(refused(tpm.get_random(1), rc::Disabled));
}

TEST_F(OptIn, OwnerSetDisableNeedsTheOwner) {
  EXPECT_TRUE(refused(tpm.run_oiap({.ordinal = 0x6e, .params = Out().u8(1)}, kWrong), rc::AuthFail));
  EXPECT_FALSE(disabled(tpm));
}

TEST_F(OptIn, ABooleanIsZeroOrOne) {
  // Part 2, 2.2.2: any other value of a TPM_BOOL is TPM_BAD_PARAMETER.
  EXPECT_TRUE(refused(tpm.run_oiap({.ordinal = 0x6e, .params = Out().u8(2)}, kOwnerAuth), rc::BadParameter));
}

TEST_F(OptIn, PhysicalEnableAndDisableNeedPresence) {
  EXPECT_TRUE(refused(tpm.run(0x70), rc::BadPresence));
  w.presence();
  ASSERT_TRUE(ok(tpm.run(0x70)));
  EXPECT_TRUE(disabled(tpm));
  w.no_presence();
  EXPECT_TRUE(refused(tpm.run(0x6f), rc::BadPresence));
  w.presence();
  ASSERT_TRUE(ok(tpm.run(0x6f)));
  EXPECT_FALSE(disabled(tpm));
}

TEST_F(OptIn, PhysicalSetDeactivatedTakesEffectAtTheNextStartup) {
  EXPECT_TRUE(refused(tpm.run(0x72, Out().u8(1)), rc::BadPresence));
  w.presence();
  ASSERT_TRUE(ok(tpm.run(0x72, Out().u8(1))));
  EXPECT_TRUE(deactivated(tpm));
  EXPECT_FALSE(deactivated_now(tpm));
  EXPECT_TRUE(ok(tpm.get_random(1)));
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_TRUE(deactivated_now(tpm));
  EXPECT_TRUE(refused(tpm.get_random(1), rc::Deactivated));
}

TEST_F(OptIn, SetTempDeactivatedNeedsPresenceWithoutAnOperator) {
  EXPECT_TRUE(refused(tpm.run(0x73), rc::BadPresence));
  w.presence();
  ASSERT_TRUE(ok(tpm.run(0x73)));
  EXPECT_TRUE(deactivated_now(tpm));
  EXPECT_FALSE(deactivated(tpm));
  EXPECT_TRUE(refused(tpm.run(0x73), rc::Deactivated));
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_TRUE(ok(tpm.get_random(1)));
}

TEST_F(OptIn, SetTempDeactivatedByTheOperator) {
  Digest operator_auth = client::secret("operator");
  EXPECT_TRUE(refused(tpm.run_oiap({.ordinal = 0x73}, operator_auth), rc::NoOperator));
  w.presence();
  ASSERT_TRUE(ok(tpm.run(0x74, Out().raw(operator_auth))));
  w.no_presence();
  EXPECT_TRUE(refused(tpm.run_oiap({.ordinal = 0x73}, kWrong), rc::AuthFail));
  EXPECT_FALSE(deactivated_now(tpm));
  EXPECT_TRUE(ok(tpm.run_oiap({.ordinal = 0x73}, operator_auth)));
  EXPECT_TRUE(deactivated_now(tpm));
}

TEST_F(OptIn, SetOperatorAuthNeedsPresence) {
  EXPECT_TRUE(refused(tpm.run(0x74, Out().raw(kWrong)), rc::BadPresence));
  EXPECT_TRUE(refused(tpm.run_oiap({.ordinal = 0x73}, kWrong), rc::NoOperator));
}

}  // namespace world
