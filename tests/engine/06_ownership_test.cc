// SPDX-License-Identifier: MIT
#include "tests/engine/tpm_test.h"

namespace world {

using client::bytes_of;
using client::kSrk;

class TakeOwnership : public StartedTest {
 protected:
  TakeOwnership() : ek(tpm.read_pubek().value) {}
  bool owned() { return tpm.get_capability(5, Out().u32(0x111)).value == Bytes{1}; }
  // TPM_TakeOwnership with parts of the caller's making.
  client::Reply take(const Bytes& enc_owner, const Bytes& enc_srk, const Key& srk, uint16_t protocol = 5) {
    Out params;
    params.u16(protocol).sized(enc_owner).sized(enc_srk).raw(srk.encode());
    return tpm.run_oiap({.ordinal = 0x0d, .params = params}, kOwnerAuth);
  }
  Bytes good(const Digest& auth) { return client::oaep_tcpa(ek.pub(), bytes_of(auth)); }
  client::Reply take_srk(const Key& srk) { return take(good(kOwnerAuth), good(kSrkAuth), srk); }
  client::PubKey ek;
};

TEST_F(TakeOwnership, MakesAnOwnerAndAnSrk) {
  EXPECT_FALSE(owned());
  auto srk = tpm.take_ownership(ek, kOwnerAuth, kSrkAuth);
  ASSERT_TRUE(ok(srk));
  EXPECT_TRUE(owned());
  EXPECT_EQ(srk.value.usage, client::kStorage);
  EXPECT_EQ(srk.value.modulus.size(), 256U);
  EXPECT_TRUE(srk.value.encrypted.empty());
  auto pub = tpm.run_oiap({.ordinal = 0x81, .params = Out().u32(kSrk)}, kOwnerAuth);
  ASSERT_TRUE(ok(pub));
  client::In in(pub.params);
  EXPECT_EQ(client::PubKey::decode(in).modulus, srk.value.modulus);
}

TEST_F(TakeOwnership, HidesTheEndorsementKey) {
  ASSERT_TRUE(ok(tpm.take_ownership(ek, kOwnerAuth, kSrkAuth)));
  EXPECT_TRUE(refused(tpm.read_pubek(), rc::DisabledCmd));
}

TEST_F(TakeOwnership, TheSrkSecretCounts) {
  ASSERT_TRUE(ok(tpm.take_ownership(ek, kOwnerAuth, kSrkAuth)));
  auto sealed = tpm.seal(kSrk, kSrkAuth, bytes_of("x"), kDataAuth);
  ASSERT_TRUE(ok(sealed));
  EXPECT_TRUE(refused(tpm.unseal(kSrk, kWrong, sealed.value, kDataAuth), rc::AuthFail));
}

TEST_F(TakeOwnership, OutlastsThePower) {
  ASSERT_TRUE(ok(tpm.take_ownership(ek, kOwnerAuth, kSrkAuth)));
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_TRUE(ok(tpm.run_oiap({.ordinal = 0x7d}, kOwnerAuth)));
}

TEST_F(TakeOwnership, ATpm12KeyMayDescribeTheSrk) {
  Key srk = client::srk_template();
  srk.key12 = true;
  EXPECT_TRUE(ok(take_srk(srk)));
}

TEST_F(TakeOwnership, RefusesASecondOwner) {
  ASSERT_TRUE(ok(tpm.take_ownership(ek, kOwnerAuth, kSrkAuth)));
  EXPECT_TRUE(refused(tpm.take_ownership(ek, kOwnerAuth, kSrkAuth), rc::OwnerSet));  // 1
}

TEST_F(TakeOwnership, RefusesWhenOwnershipIsOff) {
  w.presence();
  ASSERT_TRUE(ok(tpm.run(0x71, Out().u8(0))));
  EXPECT_TRUE(refused(tpm.take_ownership(ek, kOwnerAuth, kSrkAuth), rc::InstallDisabled));  // 2
}

TEST_F(TakeOwnership, RefusesWithoutAnEndorsementKey) {
  World bare(Stage::Bare);
  EXPECT_TRUE(refused(bare.tpm.take_ownership(ek, kOwnerAuth, kSrkAuth), rc::NoEndorsement));  // 3
}

TEST_F(TakeOwnership, RefusesAnotherProtocol) {
  EXPECT_TRUE(refused(take(good(kOwnerAuth), good(kSrkAuth), client::srk_template(), 1), rc::BadParameter));  // 5
  EXPECT_FALSE(owned());
}

TEST_F(TakeOwnership, RefusesSecretsOfAnotherLength) {
  Bytes longer = client::oaep_tcpa(ek.pub(), Bytes(21));
  EXPECT_TRUE(refused(take(longer, good(kSrkAuth), client::srk_template()), rc::BadKeyProperty));    // 6.b
  EXPECT_TRUE(refused(take(good(kOwnerAuth), longer, client::srk_template()), rc::BadKeyProperty));  // 10.b
  EXPECT_FALSE(owned());
}

TEST_F(TakeOwnership, RefusesSecretsThatDoNotDecrypt) {
  Bytes broken = good(kOwnerAuth);
  broken[100] ^= 1;
  EXPECT_TRUE(refused(take(broken, good(kSrkAuth), client::srk_template()), rc::DecryptError));
  EXPECT_FALSE(owned());
}

TEST_F(TakeOwnership, RefusesAWrongProof) {
  Out params;
  params.u16(5).sized(good(kOwnerAuth)).sized(good(kSrkAuth)).raw(client::srk_template().encode());
  EXPECT_TRUE(refused(tpm.run_oiap({.ordinal = 0x0d, .params = params}, kWrong), rc::AuthFail));  // 7
  EXPECT_FALSE(owned());
}

TEST_F(TakeOwnership, RefusesAnSrkThatIsNoStorageKey) {
  Key srk = client::srk_template();
  srk.usage = client::kSigning;
  EXPECT_TRUE(refused(take_srk(srk), rc::InvalidKeyUsage));  // 8.a
  srk = client::srk_template();
  srk.flags = client::kMigratable;
  EXPECT_TRUE(refused(take_srk(srk), rc::InvalidKeyUsage));  // 8.b
}

TEST_F(TakeOwnership, RefusesAnSrkOfAnotherKind) {
  Key srk = client::srk_template();
  srk.parms.enc_scheme = client::kEsPkcs;
  EXPECT_TRUE(refused(take_srk(srk), rc::BadKeyProperty));  // 8.d
  srk = client::srk_template();
  srk.parms.sig_scheme = client::kSsSha1;
  EXPECT_TRUE(refused(take_srk(srk), rc::BadKeyProperty));  // 8.e
  srk = client::storage_key(1024);
  EXPECT_TRUE(refused(take_srk(srk), rc::BadKeyProperty));  // 8.f
  EXPECT_FALSE(owned());
}

class Clearing : public OwnedTest {
 protected:
  // A cleared TPM is disabled and deactivated.
  void turn_on() {
    w.presence();
    ASSERT_TRUE(ok(tpm.run(0x6f)));
    ASSERT_TRUE(ok(tpm.run(0x72, Out().u8(0))));
    w.machine().power_cycle();
    ASSERT_TRUE(ok(tpm.startup()));
  }
  bool owned() { return tpm.get_capability(5, Out().u32(0x111)).value == Bytes{1}; }
};

TEST_F(Clearing, OwnerClearEndsOwnerKeysAndSessions) {
  uint32_t key = w.load(w.keys().sign);
  Session* other = w.oiap();
  ASSERT_TRUE(ok(tpm.run_oiap({.ordinal = 0x5b}, kOwnerAuth)));
  EXPECT_FALSE(owned());
  EXPECT_EQ(tpm.get_capability(7).value, Bytes({0, 0})) << "no key is loaded";
  EXPECT_TRUE(refused(tpm.flush(key, 1), rc::BadParameter));
  EXPECT_TRUE(refused(tpm.flush(other->handle, 2), rc::BadParameter)) << "all sessions end";
  turn_on();
  EXPECT_TRUE(ok(tpm.read_pubek())) << "readPubek is TRUE again";
}

TEST_F(Clearing, AnOldBlobDoesNotOpenUnderANewSrk) {
  auto blob = tpm.seal(kSrk, kSrkAuth, bytes_of("secret"), kDataAuth);
  ASSERT_TRUE(ok(blob));
  ASSERT_TRUE(ok(tpm.run_oiap({.ordinal = 0x5b}, kOwnerAuth)));
  turn_on();
  ASSERT_TRUE(ok(tpm.take_ownership(tpm.read_pubek().value, kOwnerAuth, kSrkAuth)));
  EXPECT_NE(tpm.unseal(kSrk, kSrkAuth, blob.value, kDataAuth).code(), rc::Ok);
  EXPECT_NE(tpm.load_key2(kSrk, kSrkAuth, w.keys().sign.encode()).code(), rc::Ok);
}

TEST_F(Clearing, OwnerClearNeedsTheOwner) {
  EXPECT_TRUE(refused(tpm.run_oiap({.ordinal = 0x5b}, kWrong), rc::AuthFail));
  EXPECT_TRUE(owned());
}

TEST_F(Clearing, DisableOwnerClearLeavesForceClearOnly) {
  EXPECT_TRUE(refused(tpm.run_oiap({.ordinal = 0x5c}, kWrong), rc::AuthFail));
  ASSERT_TRUE(ok(tpm.run_oiap({.ordinal = 0x5c}, kOwnerAuth)));
  EXPECT_TRUE(refused(tpm.run_oiap({.ordinal = 0x5b}, kOwnerAuth), rc::ClearDisabled));
  w.presence();
  EXPECT_TRUE(ok(tpm.run(0x5d)));
  EXPECT_FALSE(owned());
}

TEST_F(Clearing, ForceClearNeedsPresence) {
  EXPECT_TRUE(refused(tpm.run(0x5d), rc::BadPresence));
  EXPECT_TRUE(owned());
}

TEST_F(Clearing, ForceClearLeavesDisabledAndDeactivated) {
  w.presence();
  ASSERT_TRUE(ok(tpm.run(0x5d)));
  auto flags = tpm.get_capability(4, Out().u32(0x108));
  ASSERT_TRUE(ok(flags));
  EXPECT_EQ(flags.value[2], 1) << "disable goes back to its default, TRUE";
  EXPECT_EQ(flags.value[4], 1) << "deactivated goes back to its default, TRUE";
}

TEST_F(Clearing, DisableForceClearHoldsUntilThePowerGoes) {
  ASSERT_TRUE(ok(tpm.run(0x5e)));
  w.presence();
  EXPECT_TRUE(refused(tpm.run(0x5d), rc::ClearDisabled));
  EXPECT_TRUE(owned());
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  w.presence();
  EXPECT_TRUE(ok(tpm.run(0x5d)));
  EXPECT_FALSE(owned());
}

class PhysicalPresence : public OwnedTest {
 protected:
  bool present() { return tpm.run(0x70).code != rc::BadPresence; }
};

TEST_F(PhysicalPresence, ComesAndGoes) {
  EXPECT_FALSE(present());
  w.presence();
  EXPECT_TRUE(present());
  w.no_presence();
  EXPECT_FALSE(present() && tpm.run(0x6f).code != rc::BadPresence);
}

TEST_F(PhysicalPresence, TheLockHoldsUntilThePowerGoes) {
  ASSERT_TRUE(ok(tpm.presence(0x04)));
  EXPECT_TRUE(refused(tpm.presence(0x08), rc::BadParameter));
  EXPECT_FALSE(present());
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_TRUE(ok(tpm.presence(0x08)));
}

TEST_F(PhysicalPresence, ContradictionsAreBadParameters) {
  for (uint16_t flags : std::initializer_list<uint16_t>{0x00, 0x18, 0x0c, 0x28, 0x60 | 0x180, 0x400, 0xffff}) {
    EXPECT_TRUE(refused(tpm.presence(flags), rc::BadParameter)) << flags;
  }
}

TEST_F(PhysicalPresence, LifetimeLockFixesHowPresenceIsShown) {
  ASSERT_TRUE(ok(tpm.presence(0x80)));  // TPM_PHYSICAL_PRESENCE_LIFETIME_LOCK
  EXPECT_TRUE(refused(tpm.presence(0x20), rc::BadParameter));
  EXPECT_TRUE(refused(tpm.presence(0x100), rc::BadParameter));
}

TEST_F(PhysicalPresence, TheCommandCanBeTurnedOff) {
  ASSERT_TRUE(ok(tpm.presence(0x100)));  // TPM_PHYSICAL_PRESENCE_CMD_DISABLE
  EXPECT_TRUE(refused(tpm.presence(0x08), rc::BadParameter));
  EXPECT_FALSE(present());
}

TEST_F(PhysicalPresence, ResetEstablishmentBitNeedsLocality3Or4) {
  for (uint8_t locality : std::initializer_list<uint8_t>{0, 1, 2}) {
    tpm.locality = locality;
    EXPECT_TRUE(refused(tpm.run(0x4000000b), rc::BadLocality)) << unsigned{locality};
  }
  for (uint8_t locality : std::initializer_list<uint8_t>{3, 4}) {
    tpm.locality = locality;
    EXPECT_TRUE(ok(tpm.run(0x4000000b))) << unsigned{locality};
  }
}

}  // namespace world
