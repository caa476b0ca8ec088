// SPDX-License-Identifier: MIT
#include "tests/engine/tpm_test.h"

namespace world {

using client::bytes_of;
using client::Reply;

class Ticks : public OwnedTest {};

TEST_F(Ticks, AreATaggedStructure) {
  Reply reply = tpm.run(0xf1);
  ASSERT_TRUE(ok(reply));
  ASSERT_EQ(reply.params.size(), 32U);
  EXPECT_EQ(client::In(reply.params).u16(), 0x14);
  client::In in(reply.params);
  in.raw(10);
  EXPECT_GT(in.u16(), 0) << "microseconds a tick";
}

TEST_F(Ticks, NeverGoBackAndKeepTheirNonce) {
  auto before = tpm.get_ticks();
  ASSERT_TRUE(ok(before));
  EXPECT_NE(before.value.nonce, Digest{});
  for (int i = 0; i < 5; i++) {
    auto now = tpm.get_ticks();
    ASSERT_TRUE(ok(now));
    EXPECT_GE(now.value.count, before.value.count);
    EXPECT_EQ(now.value.nonce, before.value.nonce);
    EXPECT_EQ(now.value.rate, before.value.rate);
    before = now;
  }
}

TEST_F(Ticks, APowerCycleIsAnotherSession) {
  Digest before = tpm.get_ticks().value.nonce;
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_NE(tpm.get_ticks().value.nonce, before);
}

class TickStampBlob : public OwnedTest {
 protected:
  client::Command stamp(uint32_t key, const std::vector<Proof>& proofs) {
    return {.ordinal = 0xf2, .handles = Out().u32(key), .params = Out().raw(replay).raw(digest), .proofs = proofs};
  }
  testing::AssertionResult stamped(const Reply& reply, const Key& key) {
    if (!reply.ok()) return ok(reply);
    client::In in(reply.params);
    Bytes ticks = in.raw(32);
    Bytes signature = in.sized();
    if (!in.done()) return testing::AssertionFailure() << "bytes left over";
    Bytes info = Out().u16(0x05).raw(bytes_of("TSTP")).raw(replay).sized(Out().raw(digest).raw(ticks));
    if (!client::verify_sha1(key.pub(), client::sha1(info), signature)) {
      return testing::AssertionFailure() << "the signature does not verify";
    }
    return testing::AssertionSuccess();
  }
  const Digest replay = client::secret("replay");
  const Digest digest = client::secret("stamped");
};

TEST_F(TickStampBlob, SignsTheDigestTheNonceAndTheTicks) {
  for (const Key& key : {w.keys().sign, w.keys().sign_info, w.keys().legacy}) {
    EXPECT_TRUE(stamped(tpm.run(stamp(w.load(key), {w.by_key()})), key));
  }
}

TEST_F(TickStampBlob, SignsTheTicksOfNow) {
  auto before = tpm.get_ticks();
  Reply reply = tpm.run(stamp(w.load(w.keys().sign), {w.by_key()}));
  ASSERT_TRUE(ok(reply));
  auto after = tpm.get_ticks();
  client::In in(reply.params);
  EXPECT_EQ(in.u16(), 0x14);
  uint64_t count = in.u64();
  EXPECT_GE(count, before.value.count);
  EXPECT_LE(count, after.value.count);
  EXPECT_EQ(in.u16(), before.value.rate);
  EXPECT_EQ(in.digest(), before.value.nonce);
}

TEST_F(TickStampBlob, WorksWithAnIdentity) {
  const Key& key = w.keys().identity;
  EXPECT_TRUE(stamped(tpm.run(stamp(w.load(key), {w.by_key()})), key));
}

TEST_F(TickStampBlob, WithoutAuthorisationOnlyWithAKeyThatAsksForNone) {
  EXPECT_TRUE(stamped(tpm.run(stamp(w.load(w.keys().open), {})), w.keys().open));
  EXPECT_TRUE(refused(tpm.run(stamp(w.load(w.keys().sign), {})), rc::AuthFail));
  EXPECT_TRUE(refused(tpm.run(stamp(w.load(w.keys().no_read_auth), {})), rc::AuthFail));
}

TEST_F(TickStampBlob, RefusesAWrongProofAndNoKey) {
  Proof wrong{.session = w.oiap(), .secret = kWrong};
  EXPECT_TRUE(refused(tpm.run(stamp(w.load(w.keys().sign), {wrong})), rc::AuthFail));  // 1
  EXPECT_TRUE(refused(tpm.run(stamp(0x123456, {w.by_key()})), rc::InvalidKeyHandle));
}

TEST_F(TickStampBlob, RefusesAKeyThatDoesNotSign) {
  EXPECT_TRUE(refused(tpm.run(stamp(w.load(w.keys().bind), {w.by_key()})), rc::InvalidKeyUsage));     // 2
  EXPECT_TRUE(refused(tpm.run(stamp(w.load(w.keys().storage), {w.by_key()})), rc::InvalidKeyUsage));  // 2
}

TEST_F(TickStampBlob, RefusesTheDerScheme) {
  EXPECT_TRUE(refused(tpm.run(stamp(w.load(w.keys().sign_der), {w.by_key()})), rc::InappropriateSig));  // 3
}

}  // namespace world
