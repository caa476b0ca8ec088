// SPDX-License-Identifier: MIT
// Part 3, 26: Join and Sign against an issuer and a verifier of our own.
#include "tests/engine/daa_client.h"
#include "tests/engine/tpm_test.h"

namespace world {

using client::daa::Issuer;
using client::daa::Join;
using client::daa::Joined;
using client::daa::kJoin;
using client::daa::kSign;
using client::daa::Sign;

class Daa : public OwnedTest {
 protected:
  static const Issuer& issuer() {
    static const Issuer issuer;
    return issuer;
  }
  client::RsaPublic ek() {
    auto answer = tpm.run_oiap({.ordinal = 0x7d}, kOwnerAuth);
    EXPECT_TRUE(ok(answer));
    client::In in(answer.params);
    return client::PubKey::decode(in).pub();
  }
  client::Answer<Bytes> call(uint32_t ordinal, uint32_t handle, uint8_t stage, const Bytes& in0 = {},
                             const Bytes& in1 = {}) {
    return client::daa::stage(tpm, ordinal, kOwnerAuth, handle, stage, in0, in1);
  }
  // Every stage before this one.
  void join_up_to(Join& join, uint8_t end) {
    for (uint8_t stage = 0; stage < end; stage++) {
      for (size_t i = 0; i < join.calls(stage); i++) {
        auto answer = call(kJoin, join.handle, stage, join.in0(stage, i), join.in1(stage, i));
        ASSERT_TRUE(ok(answer)) << "stage " << unsigned{stage};
        ASSERT_EQ(join.take(stage, answer.value), "") << "stage " << unsigned{stage};
      }
    }
  }
  void sign_up_to(Sign& sign, uint8_t end) {
    for (uint8_t stage = 0; stage < end; stage++) {
      auto answer = call(kSign, sign.handle, stage, sign.in0(stage), sign.in1(stage));
      ASSERT_TRUE(ok(answer)) << "stage " << unsigned{stage};
      ASSERT_EQ(sign.take(stage, answer.value), "") << "stage " << unsigned{stage};
    }
  }
  // The same for all tests: every World starts as the same TPM.
  const Joined& joined() {
    static std::optional<Joined> kept;
    if (!kept) {
      Join join(issuer(), ek());
      join_up_to(join, Join::kStages);
      kept = join.joined();
    }
    return *kept;
  }
  uint32_t free_sessions() { return client::In(tpm.get_capability(5, Out().u32(0x11a)).value).u32(); }
  Bytes sessions() { return tpm.get_capability(0x14, Out().u32(8)).value; }
};

// ---- The protocol ----

TEST_F(Daa, JoinProvesWhatItHidesAndKeepsTheCertificate) {
  Join join(issuer(), ek());
  join_up_to(join, Join::kStages);
  EXPECT_EQ(free_sessions(), 1U) << "26.1, 24.e";
}

TEST_F(Daa, SignsADigest) {
  Bytes message = client::bytes_of(client::secret("message"));
  Sign sign(issuer(), joined(), message, false);
  sign_up_to(sign, Sign::kStages);
  auto signature = sign.signature();
  EXPECT_TRUE(client::daa::verify(issuer().pub(), signature, 1, message));
  EXPECT_FALSE(client::daa::verify(issuer().pub(), signature, 0, message));
  EXPECT_FALSE(client::daa::verify(issuer().pub(), signature, 1, client::bytes_of(client::secret("another"))));
  EXPECT_EQ(free_sessions(), 1U) << "26.2, 15.j";
}

TEST_F(Daa, SignsAnIdentityKey) {
  uint32_t identity = w.load(w.keys().identity);
  Sign sign(issuer(), joined(), Out().u32(identity), true);
  sign_up_to(sign, Sign::kStages);
  EXPECT_TRUE(client::daa::verify(issuer().pub(), sign.signature(), 0, w.keys().identity.modulus));
}

TEST_F(Daa, VerifiesNothingThatWasChanged) {
  Bytes message = client::bytes_of(client::secret("message"));
  Sign sign(issuer(), joined(), message, false);
  sign_up_to(sign, Sign::kStages);
  client::daa::Big one = client::daa::Big::word(1);
  for (auto number : {&client::daa::Signature::s_e, &client::daa::Signature::s0, &client::daa::Signature::s1,
                      &client::daa::Signature::s_v, &client::daa::Signature::a, &client::daa::Signature::e}) {
    auto wrong = sign.signature();
    wrong.*number = wrong.*number + one;
    EXPECT_FALSE(client::daa::verify(issuer().pub(), wrong, 1, message));
  }
}

TEST_F(Daa, TwoSignaturesShareNoPseudonymUnlessTheirBaseIsTheSame) {
  Bytes message = client::bytes_of(client::secret("message"));
  Sign one(issuer(), joined(), message, false), two(issuer(), joined(), message, false);
  sign_up_to(one, Sign::kStages);
  sign_up_to(two, Sign::kStages);
  EXPECT_FALSE(one.signature().e == two.signature().e);
  EXPECT_FALSE(one.signature().a == two.signature().a);
}

TEST_F(Daa, OtherCommandsMayComeBetweenTheStages) {
  EXPECT_EQ(tpm.get_capability(5, Out().u32(0x11c)).value, Bytes{1}) << "TPM_CAP_PROP_DAA_INTERRUPT";
  Join join(issuer(), ek());
  join_up_to(join, 5);
  EXPECT_TRUE(ok(tpm.extend(10, Digest{})));
  w.restore(w.point());
  auto answer = call(kJoin, join.handle, 5, join.in0(5), join.in1(5));
  EXPECT_TRUE(ok(answer));
}

// ---- Sessions ----

TEST_F(Daa, ThereIsOneSession) {
  EXPECT_EQ(client::In(tpm.get_capability(5, Out().u32(0x119)).value).u32(), 1U);
  EXPECT_EQ(sessions(), Out().u16(0).bytes());
  auto first = call(kJoin, 0, 0, Out().u32(1));
  ASSERT_TRUE(ok(first));
  EXPECT_EQ(free_sessions(), 0U);
  EXPECT_EQ(sessions(), Out().u16(1).raw(first.value).bytes());
  EXPECT_TRUE(refused(call(kJoin, 0, 0, Out().u32(1)), rc::Resources));
  EXPECT_TRUE(refused(call(kSign, 0, 0, issuer().pub().settings()), rc::Resources));
  EXPECT_EQ(free_sessions(), 0U) << "the session of the first Join is not that of who failed";
}

TEST_F(Daa, FlushSpecificEndsASession) {
  auto first = call(kJoin, 0, 0, Out().u32(1));
  ASSERT_TRUE(ok(first));
  uint32_t handle = client::In(first.value).u32();
  EXPECT_TRUE(refused(tpm.flush(handle + 1, 8), rc::BadParameter));
  EXPECT_TRUE(ok(tpm.flush(handle, 8)));
  EXPECT_EQ(free_sessions(), 1U);
  EXPECT_TRUE(refused(tpm.flush(handle, 8), rc::BadParameter));
}

TEST_F(Daa, EndsWithPowerAndOwner) {
  ASSERT_TRUE(ok(call(kJoin, 0, 0, Out().u32(1))));
  World::Point open = w.point();
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_EQ(free_sessions(), 1U);
  w.restore(open);
  ASSERT_TRUE(ok(tpm.run_oiap({.ordinal = 0x5b}, kOwnerAuth)));
  EXPECT_EQ(free_sessions(), 1U);
}

TEST_F(Daa, AWrongHandleIsABadHandle) {
  EXPECT_TRUE(refused(call(kJoin, 0, 1, Bytes(256, 1)), rc::BadHandle));
  EXPECT_TRUE(refused(call(kSign, 0x06000000, 1), rc::BadHandle));
  auto first = call(kJoin, 0, 0, Out().u32(1));
  ASSERT_TRUE(ok(first));
  EXPECT_TRUE(refused(call(kJoin, client::In(first.value).u32() + 1, 1, Bytes(256, 1)), rc::BadHandle));
  EXPECT_EQ(free_sessions(), 0U);
}

TEST_F(Daa, AStageOutOfOrderEndsTheSession) {
  for (uint32_t ordinal : {kJoin, kSign}) {
    for (uint8_t stage : std::initializer_list<uint8_t>{2, 3, 24, 25, 255}) {
      auto first = call(ordinal, 0, 0, ordinal == kJoin ? Bytes(Out().u32(1)) : issuer().pub().settings());
      ASSERT_TRUE(ok(first));
      uint32_t handle = client::In(first.value).u32();
      EXPECT_TRUE(refused(call(ordinal, handle, stage), rc::DaaStage)) << unsigned{stage};
      EXPECT_EQ(free_sessions(), 1U);
    }
  }
}

TEST_F(Daa, AWrongOwnerEndsNoSession) {
  auto first = call(kJoin, 0, 0, Out().u32(1));
  ASSERT_TRUE(ok(first));
  EXPECT_TRUE(refused(client::daa::stage(tpm, kJoin, kWrong, client::In(first.value).u32(), 1), rc::AuthFail));
  EXPECT_EQ(free_sessions(), 0U);
}

TEST_F(Daa, AJoinIsNoSignNorTheOtherWayRound) {
  Join join(issuer(), ek());
  join_up_to(join, 4);
  EXPECT_TRUE(refused(call(kSign, join.handle, 4), rc::DaaTpmSettings));
  Sign sign(issuer(), joined(), Bytes(20), false);
  sign_up_to(sign, 4);
  EXPECT_TRUE(refused(call(kJoin, sign.handle, 4), rc::DaaTpmSettings));
  auto first = call(kJoin, 0, 0, Out().u32(1));
  ASSERT_TRUE(ok(first));
  EXPECT_TRUE(refused(call(kSign, client::In(first.value).u32(), 1, joined().specific), rc::DaaIssuerSettings));
}

// ---- Inputs of each stage ----

struct Wrong {
  uint32_t ordinal;
  uint8_t stage;
  int input;
  bool changed;  // a bit of it; otherwise a byte too many
  uint32_t code;
};
std::ostream& operator<<(std::ostream& out, const Wrong& wrong) {
  return out << (wrong.ordinal == kJoin ? "Join " : "Sign ") << unsigned{wrong.stage} << " input " << wrong.input
             << (wrong.changed ? " changed" : " longer");
}

class DaaInputs : public Daa, public testing::WithParamInterface<Wrong> {
 protected:
  Bytes spoiled(Bytes bytes, int input) const {
    if (input != GetParam().input) return bytes;
    if (GetParam().changed) {
      bytes.at(bytes.size() / 2) ^= 1;
    } else {
      bytes.push_back(1);
    }
    return bytes;
  }
};

TEST_P(DaaInputs, AreRefusedWhenWrongAndEndTheSession) {
  const Wrong& wrong = GetParam();
  uint8_t stage = wrong.stage;
  client::Answer<Bytes> answer;
  if (wrong.ordinal == kJoin) {
    Join join(issuer(), ek());
    join_up_to(join, stage);
    for (size_t i = 0; stage == 1 && i < 1; i++) {
      ASSERT_TRUE(ok(call(kJoin, join.handle, 1, join.in0(1, 0), join.in1(1, 0))));
    }
    size_t at = stage == 1 ? 1 : 0;
    answer = call(kJoin, join.handle, stage, spoiled(join.in0(stage, at), 0), spoiled(join.in1(stage, at), 1));
  } else {
    uint32_t identity = w.load(w.keys().identity);
    bool by_key = wrong.changed && stage == 10;
    Sign sign(issuer(), joined(), by_key ? Bytes(Out().u32(identity)) : Bytes(20, 7), by_key);
    sign_up_to(sign, stage);
    answer = call(kSign, sign.handle, stage, spoiled(sign.in0(stage), 0), spoiled(sign.in1(stage), 1));
  }
  EXPECT_TRUE(refused(answer, wrong.code));
  EXPECT_EQ(free_sessions(), 1U);
}

// clang-format off
INSTANTIATE_TEST_SUITE_P(Join, DaaInputs, testing::Values(
    Wrong{kJoin, 0, 0, false, rc::DaaInputData0},
    Wrong{kJoin, 1, 0, false, rc::DaaInputData0},  Wrong{kJoin, 1, 0, true, rc::DaaIssuerValidity},
    Wrong{kJoin, 1, 1, false, rc::DaaInputData1},  Wrong{kJoin, 1, 1, true, rc::DaaIssuerValidity},
    Wrong{kJoin, 2, 0, false, rc::DaaInputData0},  Wrong{kJoin, 2, 0, true, rc::DaaIssuerValidity},
    Wrong{kJoin, 2, 1, false, rc::DaaInputData1},  Wrong{kJoin, 2, 1, true, rc::DaaIssuerValidity},
    Wrong{kJoin, 3, 0, false, rc::DaaInputData0},
    Wrong{kJoin, 4, 0, true, rc::DaaInputData0},   Wrong{kJoin, 4, 1, true, rc::DaaInputData1},
    Wrong{kJoin, 5, 0, true, rc::DaaInputData0},   Wrong{kJoin, 5, 1, true, rc::DaaInputData1},
    Wrong{kJoin, 6, 0, true, rc::DaaInputData0},   Wrong{kJoin, 6, 1, true, rc::DaaInputData1},
    Wrong{kJoin, 7, 0, true, rc::DaaInputData0},   Wrong{kJoin, 7, 1, true, rc::DaaInputData1},
    Wrong{kJoin, 8, 0, false, rc::DaaInputData0},  Wrong{kJoin, 8, 0, true, rc::DecryptError},
    Wrong{kJoin, 9, 0, true, rc::DaaInputData0},   Wrong{kJoin, 9, 1, true, rc::DaaInputData1},
    Wrong{kJoin, 10, 0, true, rc::DaaInputData0},  Wrong{kJoin, 10, 1, true, rc::DaaInputData1},
    Wrong{kJoin, 11, 0, true, rc::DaaInputData0},  Wrong{kJoin, 11, 1, true, rc::DaaInputData1},
    Wrong{kJoin, 12, 0, true, rc::DaaInputData0},  Wrong{kJoin, 12, 1, true, rc::DaaInputData1},
    Wrong{kJoin, 13, 0, true, rc::DaaInputData0},  Wrong{kJoin, 13, 1, false, rc::DaaInputData1},
    Wrong{kJoin, 13, 1, true, rc::DaaWrongW},
    Wrong{kJoin, 14, 0, true, rc::DaaInputData0},
    Wrong{kJoin, 15, 0, true, rc::DaaInputData0},
    Wrong{kJoin, 16, 0, false, rc::DaaInputData0},
    Wrong{kJoin, 22, 0, false, rc::DaaInputData0},
    Wrong{kJoin, 23, 0, false, rc::DaaInputData0}));
INSTANTIATE_TEST_SUITE_P(Sign, DaaInputs, testing::Values(
    Wrong{kSign, 0, 0, false, rc::DaaInputData0},
    Wrong{kSign, 1, 0, false, rc::DaaInputData0},  Wrong{kSign, 1, 0, true, rc::DaaInputData0},
    Wrong{kSign, 2, 0, true, rc::DaaInputData0},   Wrong{kSign, 2, 1, true, rc::DaaInputData1},
    Wrong{kSign, 3, 0, true, rc::DaaInputData0},   Wrong{kSign, 3, 1, true, rc::DaaInputData1},
    Wrong{kSign, 4, 0, true, rc::DaaInputData0},   Wrong{kSign, 4, 1, true, rc::DaaInputData1},
    Wrong{kSign, 5, 0, true, rc::DaaInputData0},   Wrong{kSign, 5, 1, true, rc::DaaInputData1},
    Wrong{kSign, 6, 0, true, rc::DaaInputData0},   Wrong{kSign, 6, 1, false, rc::DaaInputData1},
    Wrong{kSign, 6, 1, true, rc::DaaWrongW},
    Wrong{kSign, 7, 0, true, rc::DaaInputData0},
    Wrong{kSign, 8, 0, true, rc::DaaInputData0},
    Wrong{kSign, 9, 0, false, rc::DaaInputData0},
    Wrong{kSign, 10, 0, false, rc::DaaInputData0}, Wrong{kSign, 10, 1, false, rc::DaaInputData1},
    Wrong{kSign, 10, 1, true, rc::DaaInputData1},
    Wrong{kSign, 13, 0, true, rc::DaaInputData0},
    Wrong{kSign, 14, 0, true, rc::DaaInputData0},
    Wrong{kSign, 15, 0, true, rc::DaaInputData0}));
// clang-format on

TEST_F(Daa, JoinWantsACount) { EXPECT_TRUE(refused(call(kJoin, 0, 0, Out().u32(0)), rc::DaaInputData0)); }

TEST_F(Daa, JoinRefusesACertificateThatDoesNotFit) {
  Join join(issuer(), ek());
  join_up_to(join, 23);
  EXPECT_TRUE(refused(call(kJoin, join.handle, 23, Bytes(192, 0xff)), rc::DaaInputData0));
}

TEST_F(Daa, SignWantsAnIdentityKeyOrADigest) {
  auto answer = [&](uint8_t selector, const Bytes& input) {
    Sign sign(issuer(), joined(), Bytes(20, 7), false);
    sign_up_to(sign, 10);
    return call(kSign, sign.handle, 10, {selector}, input);
  };
  EXPECT_TRUE(refused(answer(2, Bytes(20, 7)), rc::DaaInputData0));
  EXPECT_TRUE(refused(answer(0, Out().u32(w.load(w.keys().sign))), rc::DaaInputData1));
  EXPECT_TRUE(refused(answer(0, Out().u32(0x01abcdef)), rc::DaaInputData1));
  EXPECT_TRUE(refused(answer(0, Bytes(20, 7)), rc::DaaInputData1));
}

TEST_F(Daa, SignTakesEachBlobForWhatItIsOnly) {
  auto at = [&](uint8_t stage, const Bytes& blob) {
    Sign sign(issuer(), joined(), Bytes(20, 7), false);
    sign_up_to(sign, stage);
    return call(kSign, sign.handle, stage, blob);
  };
  EXPECT_TRUE(refused(at(1, joined().v0), rc::DaaInputData0));
  EXPECT_TRUE(refused(at(13, joined().v1), rc::DaaInputData0));
  EXPECT_TRUE(refused(at(14, joined().specific), rc::DaaInputData0));
  EXPECT_TRUE(refused(at(15, joined().v0), rc::DaaInputData0));
}

TEST_F(Daa, SignKnowsTheIssuerItJoinedWith) {
  Bytes settings = issuer().pub().settings();
  settings[5] ^= 1;
  auto first = call(kSign, 0, 0, settings);
  ASSERT_TRUE(ok(first));
  EXPECT_TRUE(refused(call(kSign, client::In(first.value).u32(), 1, joined().specific), rc::DaaIssuerSettings));
}

}  // namespace world
