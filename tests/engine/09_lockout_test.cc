// SPDX-License-Identifier: MIT
// Dictionary-attack lockout. Secrets are guessed at: those of a key, of the owner, and of others.
#include "tests/engine/counter_client.h"
#include "tests/engine/nv_client.h"
#include "tests/engine/tpm_test.h"

namespace world {

namespace {

struct DaInfo {
  bool active = false;
  unsigned count = 0;
  unsigned threshold = 0;
  uint32_t seconds = 0;
};

}  // namespace

class LockoutTest : public OwnedTest {
 protected:
  LockoutTest() : key_(w.load(w.keys().sign)) {}
  void SetUp() override {}

  client::Reply use_key(const Digest& auth) {
    return tpm.run_oiap({.ordinal = 0x21, .handles = Out().u32(key_)}, auth);  // GetPubKey
  }
  client::Reply ask_owner(const Digest& auth) { return tpm.run_oiap({.ordinal = 0x66}, auth); }  // GetCapabilityOwner
  client::Reply reset_lock(const Digest& auth) { return tpm.run_oiap({.ordinal = 0x40}, auth); }

  DaInfo info(uint16_t entity_type) {
    Bytes answer = tpm.get_capability(0x19, Out().u16(entity_type)).value;
    client::In in(answer);
    DaInfo info;
    EXPECT_EQ(in.u16(), 0x37);
    info.active = in.u8() == 1;
    info.count = in.u16();
    info.threshold = in.u16();
    EXPECT_EQ(in.u16(), 0x39);
    EXPECT_EQ(in.u32(), 1U) << "TPM_DA_ACTION_TIMEOUT";
    info.seconds = in.u32();
    EXPECT_EQ(in.sized(), Bytes{});
    EXPECT_TRUE(in.done()) << client::hex(answer);
    return info;
  }
  DaInfo keys() { return info(client::kEtKeyHandle); }

  // As many wrong proofs as are free, and one more.
  void lock_keys() {
    for (unsigned i = 0; i <= keys().threshold; i++) ASSERT_TRUE(refused(use_key(kWrong), rc::AuthFail)) << i;
    ASSERT_TRUE(keys().active);
  }
  void lock_owner() {
    for (unsigned i = 0; i <= keys().threshold; i++) ASSERT_TRUE(refused(ask_owner(kWrong), rc::AuthFail)) << i;
    ASSERT_TRUE(info(client::kEtOwner).active);
  }
  void restart() {
    w.machine().power_cycle();
    World::must(tpm.startup(), "Startup");
    key_ = w.load(w.keys().sign);
  }
  void let_pass(uint64_t seconds) { w.machine().let_time_pass(seconds); }

  uint32_t key_;
};

class Lockout : public LockoutTest {};

TEST_F(Lockout, IsOffWhileGuessesAreFew) {
  DaInfo before = keys();
  EXPECT_FALSE(before.active);
  EXPECT_EQ(before.count, 0U);
  EXPECT_EQ(before.seconds, 0U);
  for (unsigned i = 1; i <= before.threshold; i++) {
    ASSERT_TRUE(refused(use_key(kWrong), rc::AuthFail));
    EXPECT_EQ(keys().count, i);
  }
  EXPECT_FALSE(keys().active);
  EXPECT_TRUE(ok(use_key(kKeyAuth)));
  EXPECT_EQ(keys().count, before.threshold) << "who knows one secret gets no more guesses at another";
}

TEST_F(Lockout, RefusesEvenTheRightSecretUntilItsTimeIsUp) {
  lock_keys();
  EXPECT_EQ(keys().seconds, 1U);
  EXPECT_TRUE(refused(use_key(kKeyAuth), rc::DefendLockRunning));
  let_pass(1);
  EXPECT_FALSE(keys().active);
  EXPECT_TRUE(ok(use_key(kKeyAuth)));
}

TEST_F(Lockout, ARefusalIsNoGuessAndEndsNoSession) {
  lock_keys();
  unsigned count = keys().count;
  Session* session = w.oiap();
  client::Command use{
      .ordinal = 0x21, .handles = Out().u32(key_), .proofs = {{.session = session, .secret = kKeyAuth, .keep = true}}};
  EXPECT_TRUE(refused(tpm.run(use), rc::DefendLockRunning));
  EXPECT_EQ(keys().count, count);
  let_pass(1);
  EXPECT_TRUE(ok(tpm.run(use)));
}

TEST_F(Lockout, LastsTwiceAsLongEachTime) {
  lock_keys();
  for (uint32_t seconds : {1U, 2U, 4U, 8U, 16U, 32U}) {
    EXPECT_EQ(keys().seconds, seconds);
    let_pass(seconds);
    EXPECT_FALSE(keys().active);
    ASSERT_TRUE(refused(use_key(kWrong), rc::AuthFail));
  }
}

TEST_F(Lockout, HasALongestTime) {
  lock_keys();
  for (int i = 0; i < 20; i++) {
    let_pass(1U << 16);
    ASSERT_TRUE(refused(use_key(kWrong), rc::AuthFail));
  }
  EXPECT_EQ(keys().seconds, 1U << 16);
}

TEST_F(Lockout, OfOneTypeOfEntityIsNoneOfAnother) {
  lock_keys();
  EXPECT_TRUE(ok(ask_owner(kOwnerAuth)));
  EXPECT_EQ(info(client::kEtOwner).count, 0U);
  EXPECT_FALSE(info(client::kEtOwner).active);
  EXPECT_TRUE(ok(tpm.load_key2(client::kSrk, kSrkAuth, w.keys().sign.encode())));
  EXPECT_EQ(info(client::kEtSrk).count, 0U);
  EXPECT_TRUE(refused(tpm.load_key2(client::kSrk, kWrong, w.keys().sign.encode()), rc::AuthFail));
  EXPECT_EQ(info(client::kEtSrk).count, 1U);
}

TEST_F(Lockout, CountsGuessesAtEveryTypeOfEntity) {
  client::Nv nv(tpm);
  World::must(nv.define_as_owner({.index = 1, .attributes = client::kNvAuthWrite, .bytes = 4}, kOwnerAuth, kDataAuth),
              "NV_DefineSpace");
  auto counter = client::Counters(tpm).create(kOwnerAuth, kDataAuth, "test");
  World::must(counter.reply, "CreateCounter");
  w.presence();
  World::must(tpm.run(0x74, Out().raw(kDataAuth)), "SetOperatorAuth");
  auto sealed = tpm.seal(client::kSrk, kSrkAuth, Bytes(4), kDataAuth);
  World::must(sealed.reply, "Seal");

  EXPECT_TRUE(refused(nv.write_auth(1, 0, {1}, kWrong), rc::AuthFail));
  EXPECT_TRUE(refused(client::Counters(tpm).increment(counter.value.id, kWrong), rc::AuthFail));
  EXPECT_TRUE(refused(tpm.run_oiap({.ordinal = 0x73}, kWrong), rc::AuthFail));
  EXPECT_TRUE(refused(tpm.unseal(client::kSrk, kSrkAuth, sealed.value, kWrong), rc::Auth2Fail));
  for (uint16_t type : {client::kEtNv, client::kEtCounter, uint16_t{0x0c}, uint16_t{0x03}}) {
    EXPECT_EQ(info(type).count, 1U) << type;
  }
}

TEST_F(Lockout, GuessesInASessionOfTheEntityCountToo) {
  Session* session = w.osap(client::kEtKeyHandle, key_, kWrong);
  EXPECT_TRUE(
      refused(tpm.run({.ordinal = 0x21, .handles = Out().u32(key_), .proofs = {{.session = session}}}), rc::AuthFail));
  EXPECT_EQ(keys().count, 1U);
}

TEST_F(Lockout, DoesNotTouchWhatNeedsNoProof) {
  lock_keys();
  lock_owner();
  EXPECT_TRUE(ok(tpm.pcr_read(0)));
  EXPECT_TRUE(ok(tpm.extend(10, client::secret("event"))));
  EXPECT_TRUE(ok(tpm.get_random(4)));
}

TEST_F(Lockout, SurvivesThePowerAndItsTimeStartsAgain) {
  lock_keys();
  let_pass(1);
  ASSERT_TRUE(refused(use_key(kWrong), rc::AuthFail));
  ASSERT_TRUE(refused(use_key(kKeyAuth), rc::DefendLockRunning));
  let_pass(1);
  restart();
  EXPECT_TRUE(refused(use_key(kKeyAuth), rc::DefendLockRunning));
  EXPECT_EQ(keys().seconds, 2U);
  let_pass(2);
  EXPECT_TRUE(ok(use_key(kKeyAuth)));
}

TEST_F(Lockout, LosingThePowerIsNoGuess) {
  for (unsigned i = 0; i < keys().threshold; i++) ASSERT_TRUE(refused(use_key(kWrong), rc::AuthFail));
  for (int i = 0; i < 20; i++) restart();
  EXPECT_FALSE(keys().active);
  EXPECT_TRUE(ok(use_key(kKeyAuth)));
}

TEST_F(Lockout, ThatIsOverStaysOverWithoutThePower) {
  lock_keys();
  let_pass(1);
  ASSERT_TRUE(ok(tpm.pcr_read(0))) << "any command notices";
  restart();
  EXPECT_TRUE(ok(use_key(kKeyAuth)));
}

TEST_F(Lockout, MovesWithItsTpm) {
  lock_keys();
  let_pass(1);
  ASSERT_TRUE(refused(use_key(kWrong), rc::AuthFail));
  World::Point point = w.point();
  w.restore(point);
  EXPECT_TRUE(refused(use_key(kKeyAuth), rc::DefendLockRunning));
  let_pass(2);
  EXPECT_TRUE(ok(use_key(kKeyAuth)));
}

TEST_F(Lockout, AGuessIsDurableBeforeItsOutcomeIsTold) {
  w.machine().break_disk(true);
  EXPECT_TRUE(refused(use_key(kWrong), rc::Fail));
  EXPECT_EQ(keys().count, 1U) << "but it has been seen";
  w.machine().break_disk(false);
  EXPECT_TRUE(refused(use_key(kWrong), rc::AuthFail));
  World::Point point = w.point();
  w.restore(point);
  EXPECT_EQ(keys().count, 2U);
}

TEST_F(Lockout, TheOwnerMayHideItsNumbers) {
  lock_keys();
  Bytes flag = Out().u32(1).sized(Out().u32(20)).sized({1});  // disableFullDALogicInfo
  ASSERT_TRUE(ok(tpm.run_oiap({.ordinal = 0x3f, .params = flag}, kOwnerAuth)));
  EXPECT_EQ(tpm.get_capability(0x19, Out().u16(1)).value, Out().u16(0x38).u8(1).u16(0x39).u32(1).u32(0).bytes());
  EXPECT_EQ(tpm.get_capability(0x19, Out().u16(2)).value, Out().u16(0x38).u8(0).u16(0x39).u32(1).u32(0).bytes());
}

TEST_F(Lockout, WhatIsNoTypeOfEntityIsABadMode) {
  for (uint32_t type : {0U, 0x0dU, 0xffU}) EXPECT_TRUE(refused(tpm.get_capability(0x19, Out().u16(type)), rc::BadMode));
  for (size_t n : {0U, 1U, 4U}) EXPECT_TRUE(refused(tpm.get_capability(0x19, Bytes(n, 1)), rc::BadMode));
}

class ResetLockValue : public LockoutTest {};

TEST_F(ResetLockValue, ForgetsEveryGuess) {
  lock_keys();
  lock_owner();
  ASSERT_TRUE(ok(reset_lock(kOwnerAuth)));
  EXPECT_EQ(keys().count, 0U);
  EXPECT_EQ(info(client::kEtOwner).count, 0U);
  EXPECT_TRUE(ok(use_key(kKeyAuth)));
  EXPECT_TRUE(ok(ask_owner(kOwnerAuth)));
}

TEST_F(ResetLockValue, HasOneTryDuringATimeOut) {
  lock_keys();
  EXPECT_TRUE(refused(reset_lock(kWrong), rc::AuthFail));
  EXPECT_EQ(info(client::kEtOwner).count, 1U);
  EXPECT_TRUE(refused(reset_lock(kOwnerAuth), rc::AuthFail));
  EXPECT_EQ(info(client::kEtOwner).count, 1U) << "nobody looked at that one";
  restart();
  EXPECT_TRUE(refused(reset_lock(kOwnerAuth), rc::AuthFail)) << "not after a restart either";
  let_pass(1);
  EXPECT_TRUE(ok(reset_lock(kOwnerAuth)));
  EXPECT_EQ(keys().count, 0U);
}

TEST_F(ResetLockValue, AWrongTryStartsTheTimeOutAgain) {
  lock_keys();
  w.machine().let_time_pass(0);
  EXPECT_TRUE(refused(reset_lock(kWrong), rc::AuthFail));
  EXPECT_EQ(keys().seconds, 1U);
  EXPECT_TRUE(keys().active);
}

TEST_F(ResetLockValue, AWrongTryWithoutATimeOutIsAGuessLikeAnyOther) {
  EXPECT_TRUE(refused(reset_lock(kWrong), rc::AuthFail));
  EXPECT_EQ(info(client::kEtOwner).count, 1U);
  EXPECT_TRUE(ok(reset_lock(kOwnerAuth)));
}

}  // namespace world
