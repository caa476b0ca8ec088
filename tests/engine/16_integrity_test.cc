// SPDX-License-Identifier: MIT
#include "tests/engine/tpm_test.h"

namespace world {

using client::bytes_of;

class Extend : public OwnedTest {};

TEST_F(Extend, HashesTheOldValueAndTheEvent) {
  Digest expected{};
  for (const char* event : {"one", "two", "three"}) {
    expected = client::sha1(Out().raw(expected).raw(client::secret(event)));
    auto answer = tpm.extend(5, client::secret(event));
    ASSERT_TRUE(ok(answer));
    EXPECT_EQ(answer.value, expected);
  }
  EXPECT_EQ(tpm.pcr_read(5).value, expected);
  EXPECT_EQ(tpm.pcr_read(6).value, Digest{});
}

TEST_F(Extend, RefusesAnIndexBeyondTheBank) {
  for (uint32_t pcr : {24U, 25U, 0x80000000U, 0xffffffffU}) {
    EXPECT_TRUE(refused(tpm.extend(pcr, Digest{}), rc::BadIndex)) << pcr;
  }
}

TEST_F(Extend, KeepsToTheLocalitiesOfThePlatform) {
  // PC client: which localities may extend PCR 16 to 23, bit n is locality n.
  constexpr std::array<uint8_t, 8> kExtenders = {0x1f, 0x1c, 0x1c, 0x0c, 0x0e, 0x04, 0x04, 0x1f};
  for (uint8_t locality = 0; locality < 5; locality++) {
    tpm.locality = locality;
    for (uint32_t pcr = 16; pcr < 24; pcr++) {
      bool may = kExtenders[pcr - 16] & 1U << locality;
      EXPECT_TRUE(refused(tpm.extend(pcr, Digest{}).reply, may ? rc::Ok : rc::BadLocality))
          << pcr << " from " << unsigned{locality};
    }
  }
}

TEST_F(Extend, WorksDisabledAndShowsNothing) {
  World disabled(Stage::Disabled);
  auto answer = disabled.tpm.extend(1, client::secret("event"));
  ASSERT_TRUE(ok(answer));
  EXPECT_EQ(answer.value, Digest{});
  World enabled(Stage::Owned);
  EXPECT_NE(enabled.tpm.extend(1, client::secret("event")).value, Digest{});
}

TEST_F(Extend, TouchesNoPermanentState) {
  size_t before = w.machine().commits();
  ASSERT_TRUE(ok(tpm.extend(1, client::secret("event"))));
  EXPECT_EQ(w.machine().commits(), before);
}

class PcrRead : public OwnedTest {};

TEST_F(PcrRead, RefusesAnIndexBeyondTheBank) {
  for (uint32_t pcr : {24U, 0xffffffffU}) EXPECT_TRUE(refused(tpm.pcr_read(pcr), rc::BadIndex)) << pcr;
}

class PcrReset : public OwnedTest {
 protected:
  client::Reply reset(const Bytes& selection) { return tpm.run(0xc8, selection); }
};

TEST_F(PcrReset, ZeroesTheDebugAndApplicationPcrs) {
  ASSERT_TRUE(ok(tpm.extend(16, client::secret("event"))));
  ASSERT_TRUE(ok(tpm.extend(23, client::secret("event"))));
  ASSERT_TRUE(ok(reset(client::pcr_selection({16, 23}))));
  EXPECT_EQ(tpm.pcr_read(16).value, Digest{});
  EXPECT_EQ(tpm.pcr_read(23).value, Digest{});
}

TEST_F(PcrReset, StaticPcrsAreNotResettable) {
  for (unsigned pcr = 0; pcr < 16; pcr++) {
    EXPECT_TRUE(refused(reset(client::pcr_selection({pcr})), rc::NotResettable)) << pcr;
  }
}

TEST_F(PcrReset, IsAllOrNothing) {
  auto value = tpm.extend(16, client::secret("event"));
  ASSERT_TRUE(ok(value));
  EXPECT_TRUE(refused(reset(client::pcr_selection({0, 16})), rc::NotResettable));
  EXPECT_TRUE(refused(reset(client::pcr_selection({16, 20})), rc::NotLocal));
  EXPECT_EQ(tpm.pcr_read(16).value, value.value);
}

TEST_F(PcrReset, DynamicPcrsNeedLocality2) {
  for (uint8_t locality : std::initializer_list<uint8_t>{0, 1, 3}) {
    tpm.locality = locality;
    EXPECT_TRUE(refused(reset(client::pcr_selection({21})), rc::NotLocal)) << unsigned{locality};
  }
  tpm.locality = 2;
  EXPECT_TRUE(ok(reset(client::pcr_selection({20, 21, 22}))));
}

TEST_F(PcrReset, RefusesAnEmptyOrForeignSelection) {
  EXPECT_TRUE(refused(reset(client::pcr_selection({})), rc::InvalidPcrInfo));
  EXPECT_TRUE(refused(reset(client::pcr_selection({}, 2)), rc::InvalidPcrInfo));
  EXPECT_TRUE(refused(reset(client::pcr_selection({24}, 4)), rc::InvalidPcrInfo));
}

class Quote : public OwnedTest {
 protected:
  Quote() : key(w.load(w.keys().sign)) {}
  std::vector<Digest> values(std::initializer_list<unsigned> pcrs) {
    std::vector<Digest> values;
    for (unsigned pcr : pcrs) values.push_back(tpm.pcr_read(pcr).value);
    return values;
  }
  uint32_t key;
  Digest external = client::secret("external");
};

TEST_F(Quote, SignsTheCompositeAndTheNonce) {
  ASSERT_TRUE(ok(tpm.extend(10, client::secret("event"))));
  Bytes selection = client::pcr_selection({0, 10});
  auto quoted = tpm.quote(key, kKeyAuth, external, selection);
  ASSERT_TRUE(ok(quoted));
  Digest composite = client::composite(selection, values({0, 10}));
  EXPECT_EQ(client::sha1(quoted.value.composite), composite);
  Bytes info = Out().u32(0x01010000).raw(bytes_of("QUOT")).raw(composite).raw(external);
  EXPECT_TRUE(client::verify_sha1(w.keys().sign.pub(), client::sha1(info), quoted.value.signature));
}

TEST_F(Quote, AShortSelectionIsQuotedAsItCame) {
  Bytes selection = client::pcr_selection({3}, 2);
  auto quoted = tpm.quote(key, kKeyAuth, external, selection);
  ASSERT_TRUE(ok(quoted));
  EXPECT_EQ(client::sha1(quoted.value.composite), client::composite(selection, values({3})));
}

TEST_F(Quote, WithoutAuthorisationOnlyForAKeyThatAsksForNone) {
  uint32_t open = w.load(w.keys().open);
  Bytes params = Out().raw(external).raw(client::pcr_selection({0}));
  EXPECT_TRUE(ok(tpm.run({.ordinal = 0x16, .handles = Out().u32(open), .params = params})));
  EXPECT_TRUE(refused(tpm.run({.ordinal = 0x16, .handles = Out().u32(key), .params = params}), rc::AuthFail));
}

TEST_F(Quote, RefusesAWrongProof) {
  EXPECT_TRUE(refused(tpm.quote(key, kWrong, external, client::pcr_selection({0})), rc::AuthFail));  // 1
}

TEST_F(Quote, RefusesAKeyThatDoesNotSignSha1) {
  uint32_t der = w.load(w.keys().sign_der);
  uint32_t bind = w.load(w.keys().bind);
  EXPECT_TRUE(refused(tpm.quote(der, kKeyAuth, external, client::pcr_selection({0})), rc::InappropriateSig));   // 2
  EXPECT_TRUE(refused(tpm.quote(bind, kKeyAuth, external, client::pcr_selection({0})), rc::InappropriateSig));  // 2
}

TEST_F(Quote, ALegacyKeyMayQuote) {
  EXPECT_TRUE(ok(tpm.quote(w.load(w.keys().legacy), kKeyAuth, external, client::pcr_selection({0}))));
}

TEST_F(Quote, RefusesAForeignSelection) {
  EXPECT_TRUE(refused(tpm.quote(key, kKeyAuth, external, client::pcr_selection({25}, 4)), rc::InvalidPcrInfo));  // 4
}

TEST_F(Quote, RefusesAHandleThatIsNoKey) {
  EXPECT_TRUE(refused(tpm.quote(0x123456, kKeyAuth, external, client::pcr_selection({0})), rc::InvalidKeyHandle));
}

class Quote2 : public Quote {};

TEST_F(Quote2, SignsTheShortInfoAndTheVersion) {
  ASSERT_TRUE(ok(tpm.extend(10, client::secret("event"))));
  Bytes selection = client::pcr_selection({0, 10});
  for (bool add_version : {false, true}) {
    auto quoted = tpm.quote2(key, kKeyAuth, external, selection, add_version);
    ASSERT_TRUE(ok(quoted));
    Bytes composite = Out().raw(selection).u8(1).raw(client::composite(selection, values({0, 10})));
    EXPECT_EQ(quoted.value.composite, composite);
    EXPECT_EQ(quoted.value.version, add_version ? tpm.get_capability(0x1a).value : Bytes{});
    Bytes info = Out().u16(0x36).raw(bytes_of("QUT2")).raw(external).raw(composite).raw(quoted.value.version);
    EXPECT_TRUE(client::verify_sha1(w.keys().sign.pub(), client::sha1(info), quoted.value.signature)) << add_version;
  }
}

TEST_F(Quote2, ShowsTheLocality) {
  tpm.locality = 2;
  auto quoted = tpm.quote2(key, kKeyAuth, external, client::pcr_selection({0}), false);
  ASSERT_TRUE(ok(quoted));
  EXPECT_EQ(quoted.value.composite.at(5), 4);
}

TEST_F(Quote2, RefusesWrongKeysProofsAndSelections) {
  Bytes selection = client::pcr_selection({0});
  EXPECT_TRUE(refused(tpm.quote2(key, kWrong, external, selection, false), rc::AuthFail));
  EXPECT_TRUE(
      refused(tpm.quote2(w.load(w.keys().sign_der), kKeyAuth, external, selection, false), rc::InappropriateSig));
  EXPECT_TRUE(refused(tpm.quote2(w.load(w.keys().bind), kKeyAuth, external, selection, false), rc::InappropriateSig));
  EXPECT_TRUE(refused(tpm.quote2(key, kKeyAuth, external, client::pcr_selection({25}, 4), false), rc::InvalidPcrInfo));
}

}  // namespace world
