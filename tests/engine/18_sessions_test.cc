// SPDX-License-Identifier: MIT
#include "tests/engine/tpm_test.h"

namespace world {

using client::Command;
using client::kSrk;

class Sessions : public OwnedTest {
 protected:
  // A command by the owner that changes nothing.
  Command read_pubek(Proof proof) { return {.ordinal = 0x7d, .proofs = {proof}}; }
  client::Reply owner(Session* session, bool keep, const Digest& secret = kOwnerAuth) {
    return tpm.run(read_pubek({.session = session, .secret = secret, .keep = keep}));
  }
};

TEST_F(Sessions, AKeptSessionRollsItsNonce) {
  Session* session = w.oiap();
  for (int i = 0; i < 5; i++) ASSERT_TRUE(ok(owner(session, true))) << i;  // the client checks that nonces differ
  EXPECT_TRUE(ok(owner(session, false)));
  EXPECT_FALSE(session->alive);
  EXPECT_TRUE(refused(owner(session, false), rc::InvalidAuthHandle));
}

TEST_F(Sessions, AReplayIsRefused) {
  Session* session = w.oiap();
  client::Prepared prepared = tpm.prepare(read_pubek({.session = session, .secret = kOwnerAuth, .keep = true}));
  ASSERT_TRUE(ok(tpm.finish(prepared, tpm.send(prepared.frame))));
  EXPECT_TRUE(refused(tpm.finish(prepared, tpm.send(prepared.frame)), rc::AuthFail));
}

TEST_F(Sessions, AWrongProofEndsTheSession) {
  Session* session = w.oiap();
  EXPECT_TRUE(refused(owner(session, true, kWrong), rc::AuthFail));
  EXPECT_TRUE(refused(owner(session, true), rc::InvalidAuthHandle));
}

TEST_F(Sessions, AFailingActionEndsTheSession) {
  uint32_t key = w.load(w.keys().bind);
  Session* session = w.oiap();
  Proof proof{.session = session, .secret = kKeyAuth, .keep = true};
  Command sign{.ordinal = 0x3c, .handles = Out().u32(key), .params = Out().sized(Bytes(20)), .proofs = {proof}};
  EXPECT_TRUE(refused(tpm.run(sign), rc::InvalidKeyUsage));
  EXPECT_TRUE(refused(tpm.run(sign), rc::InvalidAuthHandle));
}

TEST_F(Sessions, OiapServesAnyEntity) {
  Session* session = w.oiap();
  ASSERT_TRUE(ok(owner(session, true)));
  uint32_t key = w.load(w.keys().sign);
  EXPECT_TRUE(ok(tpm.run({.ordinal = 0x21,
                          .handles = Out().u32(key),
                          .proofs = {{.session = session, .secret = kKeyAuth, .keep = true}}})));
}

TEST_F(Sessions, OsapServesItsEntityOnly) {
  uint32_t key = w.load(w.keys().sign);
  Session* session = w.osap_key(key);
  auto get_pubkey = [&](uint32_t handle) {
    return tpm.run({.ordinal = 0x21, .handles = Out().u32(handle), .proofs = {{.session = session, .keep = true}}});
  };
  EXPECT_TRUE(ok(get_pubkey(key)));
  EXPECT_TRUE(ok(get_pubkey(key)));
  EXPECT_TRUE(refused(get_pubkey(w.load(w.keys().bind)), rc::AuthFail));
}

TEST_F(Sessions, OsapOfTheOwnerServesTheOwner) {
  Session* session = w.osap(client::kEtOwner, client::kOwner, kOwnerAuth);
  EXPECT_TRUE(ok(owner(session, true)));
  EXPECT_TRUE(ok(owner(session, false)));
}

TEST_F(Sessions, OsapWithAWrongSecretProvesNothing) {
  Session* session = w.osap(client::kEtOwner, client::kOwner, kWrong);
  EXPECT_TRUE(refused(owner(session, false), rc::AuthFail));
}

TEST_F(Sessions, OsapEndsAfterItsSecretWasUsed) {
  Session* session = w.osap_srk();
  Command seal{.ordinal = 0x17,
               .handles = Out().u32(kSrk),
               .params = Out().raw(client::hide_even(*session, kDataAuth)).sized({}).sized({1}),
               .proofs = {{.session = session, .keep = true}}};
  ASSERT_TRUE(ok(tpm.run(seal)));
  EXPECT_FALSE(session->alive) << "TPM_Seal ends its session whatever the caller wants";
}

TEST_F(Sessions, OsapKnowsSrkKeyAndOwner) {
  uint32_t key = w.load(w.keys().sign);
  EXPECT_TRUE(ok(tpm.osap(client::kEtSrk, kSrk, kSrkAuth)));
  EXPECT_TRUE(ok(tpm.osap(client::kEtKeyHandle, kSrk, kSrkAuth)));
  EXPECT_TRUE(ok(tpm.osap(client::kEtKeyHandle, key, kKeyAuth)));
  EXPECT_TRUE(ok(tpm.osap(client::kEtOwner, 0, kOwnerAuth)));
}

TEST_F(Sessions, OsapRefusesWhatItDoesNotKnow) {
  EXPECT_TRUE(refused(tpm.osap(client::kEtKeyHandle, 0x123456, kKeyAuth), rc::InvalidKeyHandle));
  EXPECT_TRUE(refused(tpm.osap(client::kEtKeyHandle, 0x40000004, kKeyAuth), rc::BadHandle));  // 6.b
  EXPECT_TRUE(refused(tpm.osap(0x0099, 0, kKeyAuth), rc::BadParameter));                      // 11
  EXPECT_TRUE(refused(tpm.osap(0x9901, 0, kKeyAuth), rc::InappropriateEnc));                  // 5
}

TEST_F(Sessions, OsapNeedsAnOwner) {
  World unowned(Stage::Started);
  EXPECT_TRUE(refused(unowned.tpm.osap(client::kEtOwner, 0, kOwnerAuth), rc::NoSrk));
}

TEST_F(Sessions, ThereAreAtLeastThreeAndThenNoMore) {
  size_t n = 0;
  client::Answer<Session> answer = tpm.oiap();
  for (; n < 1000 && answer.ok(); n++) answer = tpm.oiap();
  EXPECT_GE(n, 3U);
  EXPECT_TRUE(refused(answer, rc::Resources));
}

TEST_F(Sessions, EndWithTheKeyTheyAreOf) {
  uint32_t key = w.load(w.keys().sign);
  Session* session = w.osap_key(key);
  ASSERT_TRUE(ok(tpm.flush(key, 1)));
  EXPECT_TRUE(
      refused(tpm.run({.ordinal = 0x21, .handles = Out().u32(w.load(w.keys().sign)), .proofs = {{.session = session}}}),
              rc::InvalidAuthHandle));
}

TEST_F(Sessions, SecretsOfTwoTypesAreRefusedWhereOsapIsWanted) {
  Session* session = w.oiap();
  Command seal{.ordinal = 0x17,
               .handles = Out().u32(kSrk),
               .params = Out().raw(kDataAuth).sized({}).sized({1}),
               .proofs = {{.session = session, .secret = kSrkAuth}}};
  EXPECT_NE(tpm.run(seal).code, rc::Ok);
}

}  // namespace world
