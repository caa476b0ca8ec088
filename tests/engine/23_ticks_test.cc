// SPDX-License-Identifier: MIT
#include "tests/engine/tpm_test.h"

namespace world {

using client::bytes_of;

class Ticks : public OwnedTest {};

TEST_F(Ticks, GoForwardUnderOneNonce) {
  auto before = tpm.get_ticks();
  ASSERT_TRUE(ok(before));
  for (int i = 0; i < 100; i++) ASSERT_TRUE(ok(tpm.pcr_read(0)));
  auto after = tpm.get_ticks();
  EXPECT_GE(after.value.count, before.value.count);
  EXPECT_EQ(after.value.nonce, before.value.nonce);
  EXPECT_EQ(after.value.rate, before.value.rate);
  EXPECT_GT(after.value.rate, 0U);
}

TEST_F(Ticks, AnswerIsTaggedAsTicks) {
  client::In in(tpm.run(0xf1).params);
  EXPECT_EQ(in.u16(), 0x14);
}

TEST_F(Ticks, ANewPowerCycleIsANewSession) {
  auto before = tpm.get_ticks();
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  auto after = tpm.get_ticks();
  ASSERT_TRUE(ok(after));
  EXPECT_NE(after.value.nonce, before.value.nonce);
}

class TickStampBlob : public OwnedTest {
 protected:
  client::Reply stamp(uint32_t key, const Digest& auth) {
    return tpm.run_oiap({.ordinal = 0xf2,
                         .handles = Out().u32(key),
                         .params = Out().raw(client::secret("replay")).raw(client::secret("what"))},
                        auth);
  }
};

TEST_F(TickStampBlob, SignsDigestAndTime) {
  auto reply = stamp(w.load(w.keys().sign), kKeyAuth);
  ASSERT_TRUE(ok(reply));
  client::In in(reply.params);
  Bytes ticks = in.raw(2 + 8 + 2 + 20);
  Bytes signature = in.sized();
  EXPECT_TRUE(in.done());
  Bytes info = Out()
                   .u16(5)
                   .raw(bytes_of("TSTP"))
                   .raw(client::secret("replay"))
                   .sized(Out().raw(client::secret("what")).raw(ticks));
  EXPECT_TRUE(client::verify_sha1(w.keys().sign.pub(), client::sha1(info), signature));
}

TEST_F(TickStampBlob, RefusesWrongKeysAndProofs) {
  EXPECT_TRUE(refused(stamp(w.load(w.keys().sign), kWrong), rc::AuthFail));                // 1
  EXPECT_TRUE(refused(stamp(w.load(w.keys().bind), kKeyAuth), rc::InvalidKeyUsage));       // 2
  EXPECT_TRUE(refused(stamp(w.load(w.keys().sign_der), kKeyAuth), rc::InappropriateSig));  // 3
  EXPECT_TRUE(refused(stamp(0x123456, kKeyAuth), rc::InvalidKeyHandle));
}

}  // namespace world
