// SPDX-License-Identifier: MIT
#include "tests/engine/tpm_test.h"

namespace world {

using client::kSrk;

class FlushSpecific : public OwnedTest {
 protected:
  static constexpr uint32_t kKey = 1, kAuth = 2, kTrans = 4, kContext = 5, kDaaTpm = 8;
  // What it answers for a session that is none.
  const uint32_t kNoSession = rc::BadParameter;
};

TEST_F(FlushSpecific, TakesOneKeyOut) {
  uint32_t one = w.load(w.keys().sign);
  uint32_t two = w.load(w.keys().bind);
  ASSERT_TRUE(ok(tpm.flush(one, kKey)));
  EXPECT_EQ(tpm.get_capability(7).value, Bytes(Out().u16(1).u32(two)));
  EXPECT_TRUE(refused(tpm.sign(one, kKeyAuth, Bytes(20)), rc::InvalidKeyHandle));
}

TEST_F(FlushSpecific, EndsTheSessionsOfTheKey) {  // 8.a
  uint32_t key = w.load(w.keys().sign);
  uint32_t other = w.load(w.keys().bind);
  Session* of_key = w.osap_key(key);
  Session* of_other = w.osap_key(other);
  Session* of_srk = w.osap_srk();
  ASSERT_TRUE(ok(tpm.flush(key, kKey)));
  EXPECT_TRUE(refused(tpm.flush(of_key->handle, kAuth), kNoSession));
  EXPECT_TRUE(ok(tpm.flush(of_other->handle, kAuth)));
  EXPECT_TRUE(ok(tpm.flush(of_srk->handle, kAuth)));
}

TEST_F(FlushSpecific, EndsOneSession) {
  Proof ended = w.by_owner();
  Proof other = w.by_owner();
  ASSERT_TRUE(ok(tpm.flush(ended.session->handle, kAuth)));
  EXPECT_TRUE(refused(tpm.run({.ordinal = 0x7d, .proofs = {ended}}), rc::InvalidAuthHandle));
  EXPECT_TRUE(ok(tpm.run({.ordinal = 0x7d, .proofs = {other}})));
}

TEST_F(FlushSpecific, AHandleIsOfItsTypeOnly) {
  uint32_t key = w.load(w.keys().sign);
  Proof session = w.by_owner();
  EXPECT_TRUE(refused(tpm.flush(key, kAuth), kNoSession));
  EXPECT_TRUE(refused(tpm.flush(session.session->handle, kKey), rc::BadParameter));
  EXPECT_TRUE(ok(tpm.sign(key, kKeyAuth, Bytes(20))));
  EXPECT_TRUE(ok(tpm.run({.ordinal = 0x7d, .proofs = {session}})));
}

TEST_F(FlushSpecific, RefusesWhatIsNotThere) {  // 7
  EXPECT_TRUE(refused(tpm.flush(0x123456, kKey), rc::BadParameter));
  EXPECT_TRUE(refused(tpm.flush(0x123456, kAuth), kNoSession));
  EXPECT_TRUE(refused(tpm.flush(1, kContext), rc::BadParameter));
  EXPECT_NE(tpm.flush(0x123456, kTrans).code, rc::Ok);
  EXPECT_NE(tpm.flush(0x123456, kDaaTpm).code, rc::Ok);
}

TEST_F(FlushSpecific, PermanentKeysStay) {
  for (uint32_t handle : {kSrk, client::kEk, client::kOwner}) {
    EXPECT_NE(tpm.flush(handle, kKey).code, rc::Ok) << handle;
  }
  EXPECT_TRUE(ok(tpm.seal(kSrk, kSrkAuth, Bytes(3), kDataAuth)));
}

TEST_F(FlushSpecific, RefusesOtherTypes) {  // 6
  uint32_t key = w.load(w.keys().sign);
  for (uint32_t type : {0U, 3U, 6U, 7U, 0x10U, 0x101U, 0xffffffffU}) {
    EXPECT_TRUE(refused(tpm.flush(key, type), rc::InvalidResource)) << type;
  }
}

}  // namespace world
