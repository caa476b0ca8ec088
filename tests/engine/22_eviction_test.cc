// SPDX-License-Identifier: MIT
#include "tests/engine/tpm_test.h"

namespace world {

class FlushSpecific : public OwnedTest {};

TEST_F(FlushSpecific, UnloadsAKey) {
  uint32_t key = w.load(w.keys().sign);
  ASSERT_TRUE(ok(tpm.flush(key, 1)));
  EXPECT_TRUE(refused(tpm.sign(key, kKeyAuth, Bytes(20)), rc::InvalidKeyHandle));
}

TEST_F(FlushSpecific, EndsASession) {
  Session* session = w.oiap();
  ASSERT_TRUE(ok(tpm.flush(session->handle, 2)));
  EXPECT_TRUE(refused(tpm.run({.ordinal = 0x7d, .proofs = {{.session = session, .secret = kOwnerAuth}}}),
                      rc::InvalidAuthHandle));
}

TEST_F(FlushSpecific, RefusesHandlesOfNothing) {
  EXPECT_TRUE(refused(tpm.flush(0x123456, 1), rc::BadParameter));                                      // 2, 7
  EXPECT_TRUE(refused(tpm.flush(0x123456, 2), libtpms() ? rc::InvalidAuthHandle : rc::BadParameter));  // 3, 7
  EXPECT_NE(tpm.flush(0x123456, 4).code, rc::Ok);                                                      // 4, 7
}

TEST_F(FlushSpecific, AKeysHandleIsNoSessions) {
  uint32_t key = w.load(w.keys().sign);
  EXPECT_NE(tpm.flush(key, 2).code, rc::Ok);
  EXPECT_TRUE(ok(tpm.sign(key, kKeyAuth, Bytes(20))));
}

TEST_F(FlushSpecific, RefusesPermanentKeys) {
  for (uint32_t handle : {client::kSrk, client::kEk, client::kOwner})
    EXPECT_NE(tpm.flush(handle, 1).code, rc::Ok) << handle;
  EXPECT_TRUE(ok(tpm.seal(client::kSrk, kSrkAuth, {1}, kDataAuth)));
}

TEST_F(FlushSpecific, RefusesAnUnknownResource) {
  for (uint32_t type : {0U, 3U, 6U, 99U}) EXPECT_TRUE(refused(tpm.flush(1, type), rc::InvalidResource)) << type;  // 6
}

}  // namespace world
