// SPDX-License-Identifier: MIT
#include "tests/engine/tpm_test.h"

namespace world {

using client::kSrk;

namespace {

Bytes parms(uint32_t bits = 2048, uint16_t enc_scheme = client::kEsOaep) {
  return client::KeyParms{.enc_scheme = enc_scheme, .sig_scheme = client::kSsNone, .bits = bits}.encode();
}

}  // namespace

class Endorsement : public BareTest {
 protected:
  client::Reply create(const Bytes& key_parms = parms()) {
    return tpm.run(0x78, Out().raw(client::secret("replay")).raw(key_parms));
  }
  client::Reply create_revocable(bool generate) {
    return tpm.run(0x7f, Out().raw(client::secret("replay")).raw(parms()).u8(generate).raw(client::secret("reset")));
  }
  // Revoking leaves the TPM disabled and deactivated.
  void turn_on() {
    w.presence();
    ASSERT_TRUE(ok(tpm.run(0x6f)));
    ASSERT_TRUE(ok(tpm.run(0x72, Out().u8(0))));
    w.machine().power_cycle();
    ASSERT_TRUE(ok(tpm.startup()));
  }
};

TEST_F(Endorsement, CreateMakesAKeyOnce) {
  EXPECT_TRUE(refused(tpm.read_pubek(), rc::NoEndorsement));
  auto created = create();
  ASSERT_TRUE(ok(created));
  client::In in(created.params);
  auto pub = client::PubKey::decode(in);
  EXPECT_EQ(in.digest(), client::sha1(Out().raw(pub.encode()).raw(client::secret("replay"))));
  EXPECT_TRUE(in.done());
  EXPECT_EQ(tpm.read_pubek().value.modulus, pub.modulus);
  EXPECT_TRUE(refused(create(), rc::DisabledCmd));
  EXPECT_EQ(tpm.read_pubek().value.modulus, pub.modulus);
}

TEST_F(Endorsement, CreateRefusesWeakKeys) {
  EXPECT_TRUE(refused(create(parms(1024)), rc::BadKeyProperty));
  EXPECT_TRUE(
      refused(create(client::KeyParms{.enc_scheme = client::kEsOaep, .primes = 3}.encode()), rc::BadKeyProperty));
  EXPECT_TRUE(refused(tpm.read_pubek(), rc::NoEndorsement));
}

TEST_F(Endorsement, ARevocableKeyIsRevoked) {
  auto created = create_revocable(false);
  ASSERT_TRUE(ok(created));
  EXPECT_TRUE(refused(tpm.run(0x80, Out().raw(kWrong)), rc::AuthFail));
  EXPECT_TRUE(refused(tpm.run(0x80, Out().raw(client::secret("reset"))), rc::BadPresence));
  w.presence();
  ASSERT_TRUE(ok(tpm.run(0x80, Out().raw(client::secret("reset")))));
  turn_on();
  EXPECT_TRUE(refused(tpm.read_pubek(), rc::NoEndorsement));
}

TEST_F(Endorsement, TheTpmMakesTheResetSecretIfAsked) {
  auto created = create_revocable(true);
  ASSERT_TRUE(ok(created));
  client::In in(created.params);
  client::PubKey::decode(in);
  in.digest();
  Digest reset = in.digest();
  EXPECT_TRUE(in.done());
  EXPECT_NE(reset, client::secret("reset"));
  w.presence();
  EXPECT_TRUE(refused(tpm.run(0x80, Out().raw(client::secret("reset"))), rc::AuthFail));
  EXPECT_TRUE(ok(tpm.run(0x80, Out().raw(reset))));
}

TEST_F(Endorsement, RevokingEndsTheOwnerAndMakesRoomForAnotherKey) {
  ASSERT_TRUE(ok(create_revocable(false)));
  auto old = tpm.read_pubek();
  ASSERT_TRUE(ok(tpm.take_ownership(old.value, kOwnerAuth, kSrkAuth)));
  auto blob = tpm.seal(kSrk, kSrkAuth, client::bytes_of("sealed"), kDataAuth);
  ASSERT_TRUE(ok(blob));
  w.presence();
  ASSERT_TRUE(ok(tpm.run(0x80, Out().raw(client::secret("reset")))));
  EXPECT_EQ(tpm.get_capability(5, Out().u32(0x111)).value, Bytes{0}) << "there is no owner";
  turn_on();
  ASSERT_TRUE(ok(create()));
  auto fresh = tpm.read_pubek();
  ASSERT_TRUE(ok(fresh));
  EXPECT_NE(fresh.value.modulus, old.value.modulus);
  ASSERT_TRUE(ok(tpm.take_ownership(fresh.value, kOwnerAuth, kSrkAuth)));
  EXPECT_NE(tpm.unseal(kSrk, kSrkAuth, blob.value, kDataAuth).code(), rc::Ok);
  EXPECT_TRUE(refused(tpm.run(0x80, Out().raw(client::secret("reset"))), rc::PermanentEk)) << "this one stays";
}

TEST_F(Endorsement, ARevocableKeyAndItsSecretOutlastThePower) {
  ASSERT_TRUE(ok(create_revocable(false)));
  auto before = tpm.read_pubek();
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_EQ(tpm.read_pubek().value.modulus, before.value.modulus);
  w.presence();
  EXPECT_TRUE(refused(tpm.run(0x80, Out().raw(kWrong)), rc::AuthFail));
  EXPECT_TRUE(ok(tpm.run(0x80, Out().raw(client::secret("reset")))));
}

TEST_F(Endorsement, AnOrdinaryKeyIsPermanent) {
  World made(Stage::Started);
  made.presence();
  EXPECT_TRUE(refused(made.tpm.run(0x80, Out().raw(kWrong)), rc::PermanentEk));
  EXPECT_TRUE(refused(made.tpm.run(0x7f, Out().raw(kWrong).raw(parms()).u8(0).raw(kWrong)), rc::DisabledCmd));
}

class ReadPubek : public OwnedTest {};

TEST_F(ReadPubek, IsRefusedOnceThereIsAnOwner) { EXPECT_TRUE(refused(tpm.read_pubek(), rc::DisabledCmd)); }

TEST_F(ReadPubek, OwnerReadsBothInternalKeys) {
  auto internal = [&](uint32_t which) {
    return tpm.run_oiap({.ordinal = 0x81, .params = Out().u32(which)}, kOwnerAuth);
  };
  auto srk = internal(kSrk);
  ASSERT_TRUE(ok(srk));
  client::In in(srk.params);
  EXPECT_EQ(client::PubKey::decode(in).modulus, w.srk().modulus);
  EXPECT_TRUE(in.done());
  auto ek = internal(client::kEk);
  ASSERT_TRUE(ok(ek));
  client::In ek_in(ek.params);
  World unowned(Stage::Started);
  EXPECT_EQ(client::PubKey::decode(ek_in).modulus, unowned.tpm.read_pubek().value.modulus);
  EXPECT_TRUE(refused(internal(0x40000002), rc::BadParameter));
  EXPECT_TRUE(refused(tpm.run_oiap({.ordinal = 0x81, .params = Out().u32(kSrk)}, kWrong), rc::AuthFail));
}

}  // namespace world
