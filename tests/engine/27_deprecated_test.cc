// SPDX-License-Identifier: MIT
#include "tests/engine/tpm_test.h"

namespace world {

using client::kSrk;

class Deprecated : public OwnedTest {};

TEST_F(Deprecated, LoadKeyLoadsAndProvesTheHandle) {
  auto loaded = tpm.load_key(kSrk, kSrkAuth, w.keys().sign.encode());
  ASSERT_TRUE(ok(loaded));
  EXPECT_TRUE(ok(tpm.sign(loaded.value.handle, kKeyAuth, Bytes(20))));
}

TEST_F(Deprecated, LoadKeyRefusesAWrongProof) {
  EXPECT_TRUE(refused(tpm.load_key(kSrk, kWrong, w.keys().sign.encode()), rc::AuthFail));
}

TEST_F(Deprecated, EvictKeyUnloads) {
  uint32_t key = w.load(w.keys().sign);
  ASSERT_TRUE(ok(tpm.run({.ordinal = 0x22, .handles = Out().u32(key)})));
  EXPECT_TRUE(refused(tpm.sign(key, kKeyAuth, Bytes(20)), rc::InvalidKeyHandle));
  EXPECT_TRUE(refused(tpm.run({.ordinal = 0x22, .handles = Out().u32(key)}), rc::InvalidKeyHandle));
}

TEST_F(Deprecated, EvictKeyRefusesTheSrk) {
  EXPECT_NE(tpm.run({.ordinal = 0x22, .handles = Out().u32(kSrk)}).code, rc::Ok);
  EXPECT_TRUE(ok(tpm.seal(kSrk, kSrkAuth, {1}, kDataAuth)));
}

TEST_F(Deprecated, ResetEndsSessionsAndNothingElse) {
  uint32_t key = w.load(w.keys().sign);
  auto extended = tpm.extend(3, client::secret("event"));
  Session* osap = w.osap_srk();
  ASSERT_TRUE(ok(tpm.run(0x5a)));
  EXPECT_TRUE(refused(tpm.run({.ordinal = 0x21, .handles = Out().u32(key), .proofs = {{.session = osap}}}),
                      rc::InvalidAuthHandle));
  EXPECT_EQ(tpm.pcr_read(3).value, extended.value);
  EXPECT_TRUE(ok(tpm.sign(key, kKeyAuth, Bytes(20))));
}

TEST_F(Deprecated, OwnerReadPubekAnswersTheEndorsementKey) {
  auto reply = tpm.run_oiap({.ordinal = 0x7d}, kOwnerAuth);
  ASSERT_TRUE(ok(reply));
  client::In in(reply.params);
  auto pub = client::PubKey::decode(in);
  EXPECT_TRUE(in.done());
  World unowned(Stage::Started);
  EXPECT_EQ(pub.modulus, unowned.tpm.read_pubek().value.modulus);
  EXPECT_TRUE(refused(tpm.run_oiap({.ordinal = 0x7d}, kWrong), rc::AuthFail));
}

TEST_F(Deprecated, DisablePubekReadHidesTheEndorsementKey) {
  ASSERT_TRUE(ok(tpm.run_oiap({.ordinal = 0x3f, .params = Out().u32(1).sized(Out().u32(4)).sized({1})}, kOwnerAuth)));
  ASSERT_TRUE(ok(tpm.read_pubek()));
  EXPECT_TRUE(refused(tpm.run_oiap({.ordinal = 0x7e}, kWrong), rc::AuthFail));
  ASSERT_TRUE(ok(tpm.run_oiap({.ordinal = 0x7e}, kOwnerAuth)));
  EXPECT_TRUE(refused(tpm.read_pubek(), rc::DisabledCmd));
}

}  // namespace world
