// SPDX-License-Identifier: MIT
#include "tests/engine/tpm_test.h"

namespace world {

class SelfTest : public StartedTest {};

TEST_F(SelfTest, FullPasses) { EXPECT_TRUE(ok(tpm.run(0x50))); }

TEST_F(SelfTest, ContinuePasses) { EXPECT_TRUE(ok(tpm.run(0x53))); }

TEST_F(SelfTest, ResultIsOneSizedField) {
  auto reply = tpm.run(0x54);
  ASSERT_TRUE(ok(reply));
  client::In in(reply.params);
  in.sized();
  EXPECT_TRUE(in.done());
}

TEST_F(SelfTest, ResultSaysNothingThatTellsTpmsApart) {
  ASSERT_TRUE(ok(tpm.run(0x53)));
  auto here = tpm.run(0x54);
  World other(Stage::Owned);
  ASSERT_TRUE(ok(other.tpm.run(0x53)));
  EXPECT_EQ(other.tpm.run(0x54).params, here.params);
}

TEST_F(SelfTest, CertifySelfTestIsNoCommandOfVersion12) { EXPECT_TRUE(refused(tpm.run(0x52), rc::BadOrdinal)); }

}  // namespace world
