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
  EXPECT_TRUE(refused(set_as_owner(0x99, 1, {1}), rc::BadParameter));
}

TEST_F(SetCapability, AFlagIsOneByte) {
  for (size_t n : {0U, 2U, 4U}) EXPECT_TRUE(refused(set_as_owner(1, 17, Bytes(n)), rc::BadParameter)) << n;
}

// Part 2, 7.1 to 7.6 and 22: every row of the tables that can be set, and by whom.
struct Row {
  const char* name;
  uint32_t sub;
  bool owner;
  bool presence;
  bool takes_true;
  bool takes_false;
  bool when_disabled;
  bool when_deactivated;
};
class SetPermanentFlag : public testing::TestWithParam<Row> {
 protected:
  static client::Reply set(World& w, bool value, bool as_owner) {
    Bytes params = Out().u32(1).sized(Out().u32(GetParam().sub)).sized(Bytes{value});
    if (as_owner) return w.tpm.run_oiap({.ordinal = 0x3f, .params = params}, kOwnerAuth);
    return w.tpm.run(0x3f, params);
  }
  static uint8_t flag(World& w) { return w.tpm.get_capability(4, Out().u32(0x108)).value.at(1 + GetParam().sub); }
  static void expect(World& w, bool value, bool as_owner, uint32_t code) {
    uint8_t before = flag(w);
    EXPECT_EQ(set(w, value, as_owner).code, code) << value;
    EXPECT_EQ(flag(w), code == rc::Ok ? uint8_t{value} : before);
  }
};

TEST_P(SetPermanentFlag, IsSetByWhomItsRowNamesInTheDirectionsOfItsRow) {
  for (bool as_owner : {false, true}) {
    if (as_owner ? !GetParam().owner : !GetParam().presence) continue;
    for (bool value : {false, true}) {
      World w;
      if (!as_owner) w.presence();
      expect(w, value, as_owner, (value ? GetParam().takes_true : GetParam().takes_false) ? rc::Ok : rc::BadParameter);
    }
  }
}

TEST_P(SetPermanentFlag, IsRefusedToEverybodyElse) {
  bool value = GetParam().takes_true;
  World nobody;
  expect(nobody, value, false, rc::AuthFail);
  World owner;
  if (!GetParam().owner) expect(owner, value, true, rc::AuthFail);
  World person;
  person.presence();
  if (!GetParam().presence) expect(person, value, false, rc::AuthFail);
}

TEST_P(SetPermanentFlag, IsRefusedByATpmThatIsOffWhenItsRowSaysSo) {
  bool value = GetParam().takes_true;
  for (Stage stage : {Stage::Disabled, Stage::Deactivated}) {
    World w(stage);
    if (!GetParam().owner) w.presence();
    bool disabled = stage == Stage::Disabled;
    bool works = disabled ? GetParam().when_disabled : GetParam().when_deactivated;
    expect(w, value, GetParam().owner, works ? rc::Ok : disabled ? rc::Disabled : rc::Deactivated);
  }
}

TEST_P(SetPermanentFlag, SurvivesThePower) {
  World w;
  if (!GetParam().owner) w.presence();
  ASSERT_TRUE(ok(set(w, GetParam().takes_true, GetParam().owner)));
  w.machine().power_cycle();
  ASSERT_TRUE(ok(w.tpm.startup()));
  EXPECT_EQ(flag(w), GetParam().takes_true);
}

INSTANTIATE_TEST_SUITE_P(Rows, SetPermanentFlag,
                         testing::Values(Row{"Disable", 1, true, true, true, true, true, true},
                                         Row{"Deactivated", 3, false, true, true, true, false, true},
                                         Row{"ReadPubek", 4, true, false, true, true, false, false},
                                         Row{"DisableOwnerClear", 5, true, false, true, false, false, false},
                                         Row{"AllowMaintenance", 6, true, false, false, true, false, false},
                                         Row{"ReadSrkPub", 17, true, false, true, true, false, false},
                                         Row{"DisableFullDaLogicInfo", 20, true, false, true, true, true, true}),
                         [](const auto& test) { return test.param.name; });

TEST_F(SetCapability, OwnershipIsForPresenceWhileThereIsNoOwner) {
  w.presence();
  EXPECT_TRUE(refused(set(1, 2, {0}), rc::OwnerSet));
  World unowned(Stage::Started);
  Bytes off = params(1, 2, {0}), on = params(1, 2, {1});
  auto flag = [&] { return unowned.tpm.get_capability(4, Out().u32(0x108)).value.at(1 + 2); };
  EXPECT_TRUE(refused(unowned.tpm.run(0x3f, off), rc::AuthFail));
  unowned.presence();
  ASSERT_TRUE(ok(unowned.tpm.run(0x3f, off)));
  EXPECT_EQ(flag(), 0);
  ASSERT_TRUE(ok(unowned.tpm.run(0x3f, on)));
  EXPECT_EQ(flag(), 1);
}

TEST_F(SetCapability, TheEstablishmentBitIsResetByTheTrustedOs) {
  for (uint8_t locality : {uint8_t{0}, uint8_t{2}}) {
    tpm.locality = locality;
    EXPECT_TRUE(refused(set(1, 18, {0}), rc::BadLocality)) << locality;
  }
  tpm.locality = 3;
  EXPECT_TRUE(refused(set(1, 18, {1}), rc::BadParameter));
  EXPECT_TRUE(ok(set(1, 18, {0})));
  tpm.locality = 4;
  EXPECT_TRUE(ok(set(1, 18, {0})));
}

TEST_F(SetCapability, OtherPermanentFlagsAreNobodys) {
  w.presence();
  for (uint32_t sub = 0; sub < 32; sub++) {
    if ((sub >= 1 && sub <= 6) || sub == 17 || sub == 18 || sub == 20) continue;
    EXPECT_TRUE(refused(set_as_owner(1, sub, {0}), rc::BadParameter)) << sub;
    EXPECT_TRUE(refused(set(1, sub, {0}), rc::BadParameter)) << sub;
  }
}

TEST_F(SetCapability, RestrictionsOfCertifiedMigrationAreTheOwners) {
  Bytes all = Out().u32(0xf8000000);
  auto restrictions = [&] { return tpm.get_capability(5, Out().u32(0x11f)).value; };
  w.presence();
  EXPECT_TRUE(refused(set(2, 23, all), rc::AuthFail));
  EXPECT_TRUE(refused(tpm.run_oiap({.ordinal = 0x3f, .params = params(2, 23, all)}, kWrong), rc::AuthFail));
  for (size_t n : {0U, 1U, 3U, 5U}) EXPECT_TRUE(refused(set_as_owner(2, 23, Bytes(n)), rc::BadParameter)) << n;
  EXPECT_EQ(restrictions(), Out().u32(0).bytes());
  ASSERT_TRUE(ok(set_as_owner(2, 23, all)));
  EXPECT_EQ(restrictions(), all);
  ASSERT_TRUE(ok(set_as_owner(2, 23, Out().u32(0))));
  EXPECT_EQ(restrictions(), Out().u32(0).bytes());
}

TEST_F(SetCapability, PermanentDataIsNotSetWhileTheTpmIsOff) {
  World disabled(Stage::Disabled), deactivated(Stage::Deactivated);
  for (uint32_t sub : {23U, 25U}) {
    Bytes value = sub == 23 ? Out().u32(0).bytes() : Bytes{};
    client::Command command{.ordinal = 0x3f, .params = params(2, sub, value)};
    EXPECT_TRUE(refused(disabled.tpm.run_oiap(command, kOwnerAuth), rc::Disabled)) << sub;
    EXPECT_TRUE(refused(deactivated.tpm.run_oiap(command, kOwnerAuth), rc::Deactivated)) << sub;
  }
}

TEST_F(SetCapability, TheOwnerRenewsTheSecretsOfDaa) {
  size_t commits = w.machine().commits();
  EXPECT_TRUE(refused(set(2, 25, {}), rc::AuthFail));
  EXPECT_TRUE(refused(set_as_owner(2, 25, {1}), rc::BadParameter));
  EXPECT_EQ(w.machine().commits(), commits);
  Bytes before = w.machine().snapshot().permanent;
  ASSERT_TRUE(ok(set_as_owner(2, 25, {})));
  EXPECT_NE(w.machine().snapshot().permanent, before);
}

TEST_F(SetCapability, OtherPermanentDataIsNobodys) {
  w.presence();
  for (uint32_t sub = 0; sub < 32; sub++) {
    if (sub == 23 || sub == 25) continue;
    EXPECT_TRUE(refused(set_as_owner(2, sub, Out().u32(0)), rc::BadParameter)) << sub;
  }
}

TEST_F(SetCapability, DisableForceClearIsSetByAnybodyUntilTheNextStart) {
  auto flag = [](World& of) { return of.tpm.get_capability(4, Out().u32(0x109)).value.at(2 + 1); };
  EXPECT_TRUE(refused(set(3, 2, {0}), rc::BadParameter));
  EXPECT_EQ(flag(w), 0);
  ASSERT_TRUE(ok(set(3, 2, {1})));
  EXPECT_EQ(flag(w), 1);
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_EQ(flag(w), 0);
  World disabled(Stage::Disabled), deactivated(Stage::Deactivated);
  EXPECT_TRUE(refused(disabled.tpm.run(0x3f, params(3, 2, {1})), rc::Disabled));
  EXPECT_TRUE(refused(deactivated.tpm.run(0x3f, params(3, 2, {1})), rc::Deactivated));
}

TEST_F(SetCapability, OtherFlagsUntilTheNextStartAreNobodys) {
  w.presence();
  for (uint32_t sub = 0; sub < 16; sub++) {
    if (sub == 2) continue;
    EXPECT_TRUE(refused(set_as_owner(3, sub, {1}), rc::BadParameter)) << sub;
  }
}

TEST_F(SetCapability, DeferredPresenceGainsBitsByPresenceOnly) {
  auto deferred = [&](uint32_t bits) { return set(4, 6, Out().u32(bits)); };
  EXPECT_TRUE(refused(deferred(1), rc::BadPresence));
  EXPECT_TRUE(refused(set_as_owner(4, 6, Out().u32(1)), rc::BadPresence));
  EXPECT_TRUE(ok(deferred(0)));
  w.presence();
  for (size_t n : {0U, 1U, 3U, 5U}) EXPECT_TRUE(refused(set(4, 6, Bytes(n)), rc::BadParameter)) << n;
  ASSERT_TRUE(ok(deferred(1)));
  w.no_presence();
  EXPECT_TRUE(ok(deferred(1))) << "it has the bit already";
  EXPECT_TRUE(refused(deferred(3), rc::BadPresence));
  ASSERT_TRUE(ok(deferred(0)));
  EXPECT_TRUE(refused(deferred(1), rc::BadPresence));
}

TEST_F(SetCapability, DeferredPresenceLastsUntilTheNextStartUnlessSaved) {
  auto deferred = [&](uint32_t bits) { return set(4, 6, Out().u32(bits)); };
  w.presence();
  ASSERT_TRUE(ok(deferred(1)));
  w.no_presence();
  ASSERT_TRUE(ok(tpm.run(0x98)));  // SaveState
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup(2)));
  EXPECT_TRUE(ok(deferred(1)));
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_TRUE(refused(deferred(1), rc::BadPresence));
}

TEST_F(SetCapability, OtherDataUntilTheNextStartIsNobodys) {
  w.presence();
  for (uint32_t sub = 0; sub < 16; sub++) {
    if (sub == 6) continue;
    EXPECT_TRUE(refused(set_as_owner(4, sub, Out().u32(0)), rc::BadParameter)) << sub;
  }
}

TEST_F(SetCapability, TosPresentIsTakenBackByTheTrustedOs) {
  for (uint8_t locality : {uint8_t{0}, uint8_t{2}}) {
    tpm.locality = locality;
    EXPECT_TRUE(refused(set(5, 4, {0}), rc::BadLocality)) << locality;
  }
  tpm.locality = 3;
  EXPECT_TRUE(refused(set(5, 4, {1}), rc::BadParameter));
  EXPECT_TRUE(ok(set(5, 4, {0})));
  World disabled(Stage::Disabled), deactivated(Stage::Deactivated);
  disabled.tpm.locality = deactivated.tpm.locality = 4;
  EXPECT_TRUE(refused(disabled.tpm.run(0x3f, params(5, 4, {0})), rc::Disabled));
  EXPECT_TRUE(refused(deactivated.tpm.run(0x3f, params(5, 4, {0})), rc::Deactivated));
}

TEST_F(SetCapability, NothingElseOfAnyStartOrOfTheMakerCanBeSet) {
  w.presence();
  tpm.locality = 3;
  for (uint32_t sub = 0; sub < 16; sub++) {
    if (sub != 4) {
      EXPECT_TRUE(refused(set_as_owner(5, sub, {0}), rc::BadParameter)) << sub;
    }
    for (const Bytes& value : {Bytes{}, Bytes{0}, Bytes{0, 0, 0, 0}}) {
      EXPECT_TRUE(refused(set_as_owner(6, sub, value), rc::BadParameter)) << sub;
      EXPECT_TRUE(refused(set_as_owner(7, sub, value), rc::BadParameter)) << sub;
    }
  }
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
