// SPDX-License-Identifier: MIT
#include "tests/engine/tpm_test.h"

namespace world {

namespace {

constexpr uint32_t kCapOrd = 1, kCapAlg = 2, kCapPid = 3, kCapFlag = 4, kCapProperty = 5, kCapVersion = 6,
                   kCapKeyHandle = 7, kCapCheckLoaded = 8, kCapKeyStatus = 0x0c, kCapNvList = 0x0d, kCapHandle = 0x14,
                   kCapTransEs = 0x15, kCapAuthEncrypt = 0x17, kCapVersionVal = 0x1a;

}  // namespace

class GetCapability : public OwnedTest {
 protected:
  Bytes number(uint32_t area, uint32_t sub) { return tpm.get_capability(area, Out().u32(sub)).value; }
};

TEST_F(GetCapability, KnowsEveryOrdinalOfTheCatalogue) {
  for (const Entry& entry : catalogue()) {
    if (entry.ordinal & 0x40000000) continue;  // a connection command, not the TPM's
    EXPECT_EQ(number(kCapOrd, entry.ordinal), Bytes{1}) << entry.name;
  }
  for (uint32_t ordinal : {0U, 9U, 0x52U, 0xffffU}) EXPECT_EQ(number(kCapOrd, ordinal), Bytes{0}) << ordinal;
}

TEST_F(GetCapability, NamesTheAlgorithmsAndProtocols) {
  EXPECT_EQ(number(kCapAlg, 1), Bytes{1}) << "RSA";
  EXPECT_EQ(number(kCapAlg, 0x99), Bytes{0});
  for (uint32_t protocol : {1U, 2U, 5U}) {
    EXPECT_EQ(tpm.get_capability(kCapPid, Out().u16(protocol)).value, Bytes{1}) << protocol;
  }
  EXPECT_EQ(tpm.get_capability(kCapPid, Out().u16(0x99)).value, Bytes{0});
}

TEST_F(GetCapability, FlagsHaveTheirTagsAndSizes) {
  Bytes permanent = number(kCapFlag, 0x108);
  ASSERT_EQ(permanent.size(), 2U + 20U);
  EXPECT_EQ(permanent[1], 0x1f);
  Bytes stclear = number(kCapFlag, 0x109);
  ASSERT_EQ(stclear.size(), 2U + 5U);
  EXPECT_EQ(stclear[1], 0x20);
}

TEST_F(GetCapability, SaysWhetherThereIsAnOwner) {
  EXPECT_EQ(number(kCapProperty, 0x111), Bytes{1});
  World unowned(Stage::Started);
  EXPECT_EQ(unowned.tpm.get_capability(kCapProperty, Out().u32(0x111)).value, Bytes{0});
}

TEST_F(GetCapability, PropertiesAreNumbersThatMakeSense) {
  EXPECT_EQ(number(kCapProperty, 0x101), Bytes({0, 0, 0, 24})) << "PCRs";
  EXPECT_EQ(number(kCapProperty, 0x103).size(), 4U) << "manufacturer";
  for (uint32_t sub : {0x104U, 0x10aU, 0x10dU, 0x110U, 0x124U}) {
    client::In in(number(kCapProperty, sub));
    uint32_t value = in.u32();
    EXPECT_TRUE(in.done()) << sub;
    EXPECT_GT(value, 0U) << sub;
    EXPECT_LT(value, 0x100000U) << sub;
  }
}

TEST_F(GetCapability, TimeoutsAndDurationsAreInTheUnitsOfTheDrivers) {
  client::In timeouts(number(kCapProperty, 0x115));
  for (int i = 0; i < 4; i++) {
    uint32_t us = timeouts.u32();
    EXPECT_GE(us, 1000U);
    EXPECT_LE(us, 60'000'000U);
  }
  EXPECT_TRUE(timeouts.done());
  client::In durations(number(kCapProperty, 0x120));
  uint32_t shorter = 0;
  for (int i = 0; i < 3; i++) {
    uint32_t us = durations.u32();
    EXPECT_GE(us, shorter);
    EXPECT_LE(us, 600'000'000U);
    shorter = us;
  }
  EXPECT_TRUE(durations.done());
}

TEST_F(GetCapability, FreeKeySlotsCountDown) {
  client::In before(number(kCapProperty, 0x104));
  w.load(w.keys().sign);
  client::In after(number(kCapProperty, 0x104));
  EXPECT_EQ(before.u32(), after.u32() + 1);
}

TEST_F(GetCapability, InputBufferHoldsTheLargestCommandOfThisFile) {
  client::In in(number(kCapProperty, 0x124));
  EXPECT_GE(in.u32(), 1024U);
}

TEST_F(GetCapability, VersionsAreOneOneAndOneTwo) {
  EXPECT_EQ(tpm.get_capability(kCapVersion).value.size(), 4U);
  EXPECT_EQ(tpm.get_capability(kCapVersion).value[0], 1);
  EXPECT_EQ(tpm.get_capability(kCapVersion).value[1], 1);
  Bytes info = tpm.get_capability(kCapVersionVal).value;
  client::In in(info);
  EXPECT_EQ(in.u16(), 0x30);
  EXPECT_EQ(in.u8(), 1);
  EXPECT_EQ(in.u8(), 2);
  in.raw(2);  // revision
  in.u16();   // spec level
  in.u8();    // errata
  in.raw(4);  // vendor
  in.raw(in.u16());
  EXPECT_TRUE(in.done()) << client::hex(info);
}

TEST_F(GetCapability, ListsTheLoadedKeys) {
  EXPECT_EQ(tpm.get_capability(kCapKeyHandle).value, Bytes({0, 0}));
  uint32_t key = w.load(w.keys().sign);
  EXPECT_EQ(tpm.get_capability(kCapKeyHandle).value, Out().u16(1).u32(key).bytes());
  EXPECT_EQ(number(kCapHandle, 1), Out().u16(1).u32(key).bytes());
  EXPECT_EQ(number(kCapHandle, 2), Bytes({0, 0})) << "no session is open";
}

TEST_F(GetCapability, ChecksWhetherAKeyCouldBeLoaded) {
  Bytes parms = client::signing_key(2048).parms.encode();
  EXPECT_EQ(tpm.get_capability(kCapCheckLoaded, parms).value, Bytes{1});
}

TEST_F(GetCapability, KeyStatusIsOfLoadedKeysOnly) {
  uint32_t key = w.load(w.keys().sign);
  EXPECT_EQ(number(kCapKeyStatus, key), Bytes{0});
  EXPECT_TRUE(refused(tpm.get_capability(kCapKeyStatus, Out().u32(0x123456)), rc::InvalidKeyHandle));
}

TEST_F(GetCapability, TransportAndAuthEncryptionAreNamed) {
  EXPECT_EQ(tpm.get_capability(kCapAuthEncrypt, Out().u32(0)).value.size(), 1U);
  EXPECT_EQ(tpm.get_capability(kCapTransEs, Out().u16(0xff)).value, Bytes{0});
}

TEST_F(GetCapability, NvListIsWhole) { EXPECT_EQ(tpm.get_capability(kCapNvList).value.size() % 4, 0U); }

TEST_F(GetCapability, AnUnknownAreaIsABadMode) {
  EXPECT_TRUE(refused(tpm.get_capability(0x99), rc::BadMode));
  EXPECT_TRUE(refused(tpm.get_capability(0xffffffff), rc::BadMode));
}

TEST_F(GetCapability, AnUnknownSubCapabilityIsABadMode) {
  EXPECT_TRUE(refused(tpm.get_capability(kCapProperty, Out().u32(0x999)), rc::BadMode));
  EXPECT_TRUE(refused(tpm.get_capability(kCapFlag, Out().u32(0x999)), rc::BadMode));
}

TEST_F(GetCapability, ASubCapabilityOfAWrongLengthIsABadMode) {
  for (size_t n : {0U, 1U, 3U, 5U}) {
    EXPECT_TRUE(refused(tpm.get_capability(kCapProperty, Bytes(n)), rc::BadMode)) << n;
    EXPECT_TRUE(refused(tpm.get_capability(kCapOrd, Bytes(n)), rc::BadMode)) << n;
  }
}

class SetCapability : public OwnedTest {
 protected:
  client::Reply set(uint32_t area, uint32_t sub, const Bytes& value) { return tpm.run(0x3f, params(area, sub, value)); }
  client::Reply set_as_owner(uint32_t area, uint32_t sub, const Bytes& value) {
    return tpm.run_oiap({.ordinal = 0x3f, .params = params(area, sub, value)}, kOwnerAuth);
  }
  static Bytes params(uint32_t area, uint32_t sub, const Bytes& value) {
    return Out().u32(area).sized(Out().u32(sub)).sized(value);
  }
  uint8_t permanent_flag(size_t n) { return tpm.get_capability(4, Out().u32(0x108)).value.at(1 + n); }
};

TEST_F(SetCapability, TheOwnerSetsFlagsOfTheirs) {
  ASSERT_TRUE(ok(set_as_owner(1, 17, {1})));  // readSRKPub
  EXPECT_EQ(permanent_flag(17), 1);
  ASSERT_TRUE(ok(set_as_owner(1, 17, {0})));
  EXPECT_EQ(permanent_flag(17), 0);
}

TEST_F(SetCapability, OwnersFlagsNeedTheOwner) {
  EXPECT_NE(set(1, 17, {1}).code, rc::Ok);
  EXPECT_TRUE(refused(tpm.run_oiap({.ordinal = 0x3f, .params = params(1, 17, {1})}, kWrong), rc::AuthFail));
  EXPECT_EQ(permanent_flag(17), 0);
}

TEST_F(SetCapability, PresenceSetsFlagsOfPresence) {
  EXPECT_NE(set(1, 3, {1}).code, rc::Ok);  // deactivated
  EXPECT_EQ(permanent_flag(3), 0);
  w.presence();
  ASSERT_TRUE(ok(set(1, 3, {1})));
  EXPECT_EQ(permanent_flag(3), 1);
}

TEST_F(SetCapability, WhatNobodyMaySetIsABadParameter) {
  w.presence();
  for (uint32_t sub : {0U, 8U, 10U, 16U, 99U}) EXPECT_TRUE(refused(set_as_owner(1, sub, {1}), rc::BadParameter)) << sub;
  EXPECT_TRUE(refused(set_as_owner(0x99, 1, {1}), libtpms() ? rc::BadMode : rc::BadParameter));
}

TEST_F(SetCapability, AFlagIsOneByte) {
  for (size_t n : {0U, 2U, 4U}) EXPECT_TRUE(refused(set_as_owner(1, 17, Bytes(n)), rc::BadParameter)) << n;
}

class GetCapabilityOwner : public OwnedTest {};

TEST_F(GetCapabilityOwner, AnswersVersionAndFlags) {
  auto reply = tpm.run_oiap({.ordinal = 0x66}, kOwnerAuth);
  ASSERT_TRUE(ok(reply));
  client::In in(reply.params);
  EXPECT_EQ(in.u8(), 1);
  in.raw(3);
  uint32_t non_volatile = in.u32();
  in.u32();
  EXPECT_TRUE(in.done());
  EXPECT_TRUE(non_volatile & 2) << "bit 1 is ownership";
}

TEST_F(GetCapabilityOwner, NeedsTheOwner) {
  EXPECT_TRUE(refused(tpm.run_oiap({.ordinal = 0x66}, kWrong), rc::AuthFail));
}

}  // namespace world
