// SPDX-License-Identifier: MIT
// TPM_HASH_START, TPM_HASH_DATA and TPM_HASH_END, and the PCRs that a dynamic launch is about, over all localities. The
// table is that of PCR attributes in the PC Client TIS 1.2.
#include "tests/engine/engine_machine.h"
#include "tests/engine/tpm_test.h"

namespace world {

using client::bytes_of;

class Launch : public OwnedTest {
 protected:
  tpm::Engine& engine() { return dynamic_cast<machine::EngineMachine&>(w.machine()).engine(); }
  bool established() { return tpm.get_capability(4, Out().u32(0x108)).value.at(2 + 17) == 1; }
  bool failed() { return tpm.get_capability(4, Out().u32(0x108)).code() == rc::FailedSelfTest; }
  bool launch(const Bytes& data) { return engine().hash_start() && engine().hash_data(data) && engine().hash_end(); }
  client::Reply reset(unsigned pcr) { return tpm.run(0xc8, client::pcr_selection({pcr})); }
  Digest value(unsigned pcr) { return tpm.pcr_read(pcr).value; }
};

Digest ones() {
  Digest value;
  value.fill(0xff);
  return value;
}

TEST_F(Launch, MeasuresIntoPcr17) {
  ASSERT_TRUE(ok(tpm.extend(0, client::secret("event"))));
  Digest static_pcr = value(0);
  for (unsigned pcr = 17; pcr <= 22; pcr++) EXPECT_EQ(value(pcr), ones()) << pcr;
  ASSERT_TRUE(engine().hash_start());
  for (unsigned pcr = 17; pcr <= 22; pcr++) EXPECT_EQ(value(pcr), Digest{}) << pcr;
  ASSERT_TRUE(engine().hash_data(bytes_of("measured")));
  ASSERT_TRUE(engine().hash_data(Bytes(1000, 7)));
  ASSERT_TRUE(engine().hash_end());
  Digest measured = client::sha1(Out().raw(bytes_of("measured")).raw(Bytes(1000, 7)));
  EXPECT_EQ(value(17), client::sha1(Out().raw(Digest{}).raw(measured)));
  for (unsigned pcr = 18; pcr <= 22; pcr++) EXPECT_EQ(value(pcr), Digest{}) << pcr;
  EXPECT_EQ(value(0), static_pcr);
  EXPECT_TRUE(established());
}

TEST_F(Launch, OfNothingIsTheHashOfNothing) {
  ASSERT_TRUE(engine().hash_start());
  ASSERT_TRUE(engine().hash_end());
  EXPECT_EQ(value(17), client::sha1(Out().raw(Digest{}).raw(client::sha1({}))));
}

TEST_F(Launch, EachOneStartsAfresh) {
  ASSERT_TRUE(launch(bytes_of("one")));
  Digest one = value(17);
  ASSERT_TRUE(launch(bytes_of("two")));
  EXPECT_NE(value(17), one);
  ASSERT_TRUE(launch(bytes_of("one")));
  EXPECT_EQ(value(17), one);
}

TEST_F(Launch, GoesOnFromASnapshot) {
  ASSERT_TRUE(engine().hash_start());
  ASSERT_TRUE(engine().hash_data(bytes_of("first ")));
  w.restore(w.point());
  ASSERT_TRUE(engine().hash_data(bytes_of("second")));
  ASSERT_TRUE(engine().hash_end());
  EXPECT_EQ(value(17), client::sha1(Out().raw(Digest{}).raw(client::sha1(bytes_of("first second")))));
}

TEST_F(Launch, EstablishmentLastsUntilATrustedLocalityResetsIt) {
  ASSERT_TRUE(launch({}));
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_TRUE(established());
  EXPECT_EQ(value(17), ones()) << "the launch is over";
  EXPECT_TRUE(refused(tpm.run(0x4000000b), rc::BadLocality));
  tpm.locality = 3;
  EXPECT_TRUE(ok(tpm.run(0x4000000b)));
  EXPECT_FALSE(established());
}

TEST_F(Launch, OutOfOrderIsFailureMode) {
  World::Point before = w.point();
  EXPECT_FALSE(engine().hash_data(bytes_of("x")));
  EXPECT_TRUE(failed());
  w.restore(before);
  EXPECT_FALSE(engine().hash_end());
  EXPECT_TRUE(failed());
  w.restore(before);
  ASSERT_TRUE(launch({}));
  EXPECT_FALSE(engine().hash_data(bytes_of("x"))) << "after the end";
  EXPECT_TRUE(failed());
  w.restore(before);
  w.machine().power_cycle();
  EXPECT_FALSE(engine().hash_start()) << "before TPM_Startup";
}

TEST_F(Launch, ThatCannotBeMadeDurableIsFailureMode) {
  w.machine().break_disk(true);
  EXPECT_FALSE(engine().hash_start());
  w.machine().break_disk(false);
  EXPECT_TRUE(failed());
}

// ---- PCRs by locality ----

struct Rule {
  unsigned pcr;
  uint8_t extend;  // bit n: from locality n
  uint8_t reset;   // none: not resettable
};
constexpr uint8_t kAny = 0x1f;
constexpr Rule kRules[] = {
    {0, kAny, 0},     {1, kAny, 0},     {2, kAny, 0},     {3, kAny, 0},     {4, kAny, 0},     {5, kAny, 0},
    {6, kAny, 0},     {7, kAny, 0},     {8, kAny, 0},     {9, kAny, 0},     {10, kAny, 0},    {11, kAny, 0},
    {12, kAny, 0},    {13, kAny, 0},    {14, kAny, 0},    {15, kAny, 0},    {16, kAny, kAny}, {17, 0x1c, 0x10},
    {18, 0x1c, 0x10}, {19, 0x0c, 0x10}, {20, 0x0e, 0x14}, {21, 0x04, 0x04}, {22, 0x04, 0x04}, {23, kAny, kAny},
};

class PcrByLocality : public Launch, public testing::WithParamInterface<Rule> {
 protected:
  // Whoever may, fills it with something that is no value of a reset.
  void fill() {
    for (tpm.locality = 0; tpm.locality < 5; tpm.locality++) {
      if (GetParam().extend >> tpm.locality & 1) break;
    }
    ASSERT_TRUE(ok(tpm.extend(GetParam().pcr, client::secret("event"))));
  }
};

TEST_P(PcrByLocality, IsExtendedFromWhereTheTableSays) {
  for (uint8_t locality = 0; locality < 5; locality++) {
    tpm.locality = locality;
    Digest before = value(GetParam().pcr);
    bool may = GetParam().extend >> locality & 1;
    auto answer = tpm.extend(GetParam().pcr, client::secret("event"));
    EXPECT_TRUE(refused(answer.reply, may ? rc::Ok : rc::BadLocality)) << unsigned{locality};
    Digest after = may ? client::sha1(Out().raw(before).raw(client::secret("event"))) : before;
    EXPECT_EQ(value(GetParam().pcr), after) << unsigned{locality};
  }
}

TEST_P(PcrByLocality, IsResetFromWhereTheTableSaysAndToWhatTheLaunchLeft) {
  for (bool launched : {false, true}) {
    ASSERT_TRUE(!launched || launch(bytes_of("launch")));
    for (uint8_t locality = 0; locality < 5; locality++) {
      fill();
      tpm.locality = locality;
      Digest before = value(GetParam().pcr);
      bool may = GetParam().reset >> locality & 1;
      uint32_t code = may ? rc::Ok : GetParam().reset == 0 ? rc::NotResettable : rc::NotLocal;
      EXPECT_TRUE(refused(reset(GetParam().pcr), code)) << unsigned{locality};
      bool dynamic = GetParam().pcr >= 17 && GetParam().pcr <= 22;
      Digest fresh = dynamic && !launched ? ones() : Digest{};
      EXPECT_EQ(value(GetParam().pcr), may ? fresh : before) << unsigned{locality};
    }
  }
}

std::string pcr_name(const testing::TestParamInfo<Rule>& info) { return "Pcr" + std::to_string(info.param.pcr); }
INSTANTIATE_TEST_SUITE_P(Table, PcrByLocality, testing::ValuesIn(kRules), pcr_name);

}  // namespace world
