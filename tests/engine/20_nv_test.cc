// SPDX-License-Identifier: MIT
#include "tests/engine/nv_client.h"
#include "tests/engine/tpm_test.h"

namespace world {

using client::bytes_of;
using client::NvPublic;

namespace {

constexpr uint32_t kIndex = 0x00011201;
const Digest kAreaAuth = client::secret("area");

Bytes list_of(std::initializer_list<uint32_t> indices) {
  Out out;
  for (uint32_t index : indices) out.u32(index);
  return out;
}

}  // namespace

// An owner, and nvLocked, as a maker ships it.
class NvTest : public OwnedTest {
 protected:
  NvTest() : nv(tpm) {}
  void define(const NvPublic& area) { World::must(nv.define_as_owner(area, kOwnerAuth, kAreaAuth), "NV_DefineSpace"); }
  NvPublic area(uint32_t attributes, uint32_t n_bytes = 8) const {
    return {.index = kIndex, .attributes = attributes, .bytes = n_bytes};
  }
  client::Reply define_result(const NvPublic& area) { return nv.define_as_owner(area, kOwnerAuth, kAreaAuth); }
  void restart() {
    w.machine().power_cycle();
    World::must(tpm.startup(), "Startup");
  }
  void set_pcr() { World::must(tpm.extend(9, client::secret("event")).reply, "Extend"); }

  client::Nv nv;
};

class NvDefineSpace : public NvTest {};

TEST_F(NvDefineSpace, MakesAnAreaOfOnes) {
  ASSERT_TRUE(ok(define_result(area(client::kNvOwnerWrite))));
  EXPECT_EQ(nv.list().value, list_of({kIndex}));
  EXPECT_EQ(nv.read(kIndex, 0, 8).value, Bytes(8, 0xff));
}

TEST_F(NvDefineSpace, TellsWhatWasDefined) {
  NvPublic asked = area(client::kNvOwnerWrite | client::kNvReadStClear, 20);
  asked.read = {.selection = client::pcr_selection({3}), .locality = 0x0f, .at_release = client::secret("pcrs")};
  asked.read_stclear = asked.write_stclear = asked.write_define = true;
  ASSERT_TRUE(ok(define_result(asked)));
  NvPublic told = nv.public_of(kIndex).value;
  EXPECT_EQ(told.read.encode(), asked.read.encode());
  EXPECT_EQ(told.write.encode(), asked.write.encode());
  EXPECT_EQ(told.attributes, asked.attributes);
  EXPECT_EQ(told.bytes, 20U);
  EXPECT_FALSE(told.read_stclear || told.write_stclear || told.write_define)
      << "what the caller says of them is ignored";
}

TEST_F(NvDefineSpace, EndsItsSession) {
  auto session = w.osap(client::kEtOwner, client::kOwner, kOwnerAuth);
  auto reply =
      tpm.run({.ordinal = 0xcc,
               .params = Out().raw(area(client::kNvOwnerWrite).encode()).raw(client::hide_even(*session, kAreaAuth)),
               .proofs = {{.session = session, .keep = true}}});
  ASSERT_TRUE(ok(reply));
  EXPECT_FALSE(session->alive);
}

TEST_F(NvDefineSpace, WantsAnOsapSession) {
  client::Command command{.ordinal = 0xcc, .params = Out().raw(area(client::kNvOwnerWrite).encode()).raw(Digest{})};
  EXPECT_TRUE(refused(tpm.run_oiap(command, kOwnerAuth), rc::BadMode));
}

TEST_F(NvDefineSpace, WithoutASessionNeedsPresenceAndNoOwner) {
  EXPECT_TRUE(refused(nv.define(area(client::kNvPpWrite)), rc::BadPresence));
  w.presence();
  EXPECT_TRUE(refused(nv.define(area(client::kNvPpWrite)), rc::OwnerSet));
}

TEST_F(NvDefineSpace, RefusesInconsistentAttributes) {
  EXPECT_TRUE(refused(define_result(area(client::kNvOwnerWrite | client::kNvAuthWrite)), rc::AuthConflict));
  EXPECT_TRUE(refused(define_result(area(client::kNvOwnerWrite | client::kNvOwnerRead | client::kNvAuthRead)),
                      rc::AuthConflict));
  EXPECT_TRUE(refused(define_result(area(client::kNvOwnerRead | client::kNvWriteAll)), rc::PerNoWrite));
}

TEST_F(NvDefineSpace, LocalitiesOfWritingAreAGuardOfTheirOwn) {
  NvPublic guarded = area(0);
  guarded.read.locality = 0x02;
  EXPECT_TRUE(refused(define_result(guarded), rc::PerNoWrite)) << "those of reading are none";
  guarded.read.locality = 0x1f;
  guarded.write.locality = 0x02;
  EXPECT_TRUE(ok(define_result(guarded)));
}

TEST_F(NvDefineSpace, RefusesWrongStructures) {
  NvPublic wrong = area(client::kNvOwnerWrite);
  wrong.read.locality = 0;
  EXPECT_TRUE(refused(define_result(wrong), rc::InvalidStructure));
  wrong.read.locality = 0x20;
  EXPECT_TRUE(refused(define_result(wrong), rc::InvalidStructure));
  wrong.read.locality = 0x1f;
  wrong.write.selection = client::pcr_selection({}, 4);
  EXPECT_TRUE(refused(define_result(wrong), rc::InvalidStructure));
  Bytes tagged = area(client::kNvOwnerWrite).encode();
  tagged[1] ^= 1;
  EXPECT_TRUE(refused(tpm.run(0xcc, Out().raw(tagged).raw(Digest{})), rc::InvalidStructure));
}

TEST_F(NvDefineSpace, RefusesIndicesThatCannotBe) {
  for (uint32_t index :
       {0U, client::kNvDir, 0x10000002U, 0x01000001U, 0x08000001U, 0x00011600U, 0x000116ffU, client::kNvLock}) {
    NvPublic wrong = area(client::kNvOwnerWrite);
    wrong.index = index;
    EXPECT_TRUE(refused(define_result(wrong), rc::BadIndex)) << std::hex << index;
  }
}

TEST_F(NvDefineSpace, OfNoBytesRemovesOrIsABadParamSize) {
  EXPECT_TRUE(refused(define_result(area(client::kNvOwnerWrite, 0)), rc::BadParamSize));
  define(area(client::kNvOwnerWrite));
  ASSERT_TRUE(ok(define_result(area(0, 0))));
  EXPECT_EQ(nv.list().value, Bytes{});
  EXPECT_TRUE(refused(nv.read(kIndex, 0, 1), rc::BadIndex));
}

TEST_F(NvDefineSpace, AgainLeavesNothingOfWhatWas) {
  define(area(client::kNvOwnerWrite));
  ASSERT_TRUE(ok(nv.write_as_owner(kIndex, 0, bytes_of("residual"), kOwnerAuth)));
  define(area(client::kNvOwnerWrite, 16));
  EXPECT_EQ(nv.read(kIndex, 0, 16).value, Bytes(16, 0xff));
}

TEST_F(NvDefineSpace, AgainEndsTheSessionsOfTheArea) {
  define(area(client::kNvAuthWrite));
  Session* session = w.osap(client::kEtNv, kIndex, kAreaAuth);
  define(area(client::kNvAuthWrite));
  client::Command write{
      .ordinal = 0xce, .params = Out().u32(kIndex).u32(0).sized({1}), .proofs = {{.session = session}}};
  EXPECT_TRUE(refused(tpm.run(write), rc::InvalidAuthHandle));
}

TEST_F(NvDefineSpace, IsRefusedWhileTheAreaIsLocked) {
  define(area(client::kNvOwnerWrite | client::kNvWriteStClear));
  ASSERT_TRUE(ok(nv.write_as_owner(kIndex, 0, {}, kOwnerAuth)));
  EXPECT_TRUE(refused(define_result(area(0, 0)), rc::AreaLocked));
  restart();
  EXPECT_TRUE(ok(define_result(area(client::kNvOwnerWrite | client::kNvGlobalLock))));
  ASSERT_TRUE(ok(nv.write(0, 0, {})));
  EXPECT_TRUE(refused(define_result(area(0, 0)), rc::AreaLocked));
  restart();
  EXPECT_TRUE(ok(define_result(area(0, 0))));
}

TEST_F(NvDefineSpace, ATrialStoresNothing) {
  NvPublic trial = area(client::kNvOwnerWrite, 1000);
  trial.index = client::kNvTrial;
  EXPECT_TRUE(ok(define_result(trial)));
  EXPECT_EQ(nv.list().value, Bytes{});
  trial.bytes = 100000;
  EXPECT_TRUE(refused(define_result(trial), rc::NoSpace));
}

TEST_F(NvDefineSpace, ThereIsAQuota) {
  auto available = [&] { return client::In(tpm.get_capability(5, Out().u32(0x123)).value).u32(); };
  uint32_t most = available();
  ASSERT_GE(most, 1280U) << "what a PC's TPM must have";
  EXPECT_TRUE(refused(define_result(area(client::kNvOwnerWrite, most + 1)), rc::NoSpace));
  EXPECT_TRUE(refused(define_result(area(client::kNvOwnerWrite, 0xffffffff)), rc::NoSpace));
  ASSERT_TRUE(ok(define_result(area(client::kNvOwnerWrite, most))));
  EXPECT_EQ(available(), 0U);
  NvPublic other = area(client::kNvOwnerWrite, 1);
  other.index = kIndex + 1;
  EXPECT_TRUE(refused(define_result(other), rc::NoSpace));
  EXPECT_TRUE(ok(define_result(area(client::kNvOwnerWrite, 1)))) << "the old area makes room for the new one";
}

TEST_F(NvDefineSpace, OfTheLockSetsNvLocked) {
  World bare(Stage::Bare);
  client::Nv of_bare(bare.tpm);
  auto locked = [&] { return bare.tpm.get_capability(4, Out().u32(0x108)).value.at(2 + 15); };
  EXPECT_EQ(locked(), 0);
  EXPECT_TRUE(refused(of_bare.define({.index = client::kNvLock, .bytes = 1}), rc::BadIndex));
  ASSERT_TRUE(ok(of_bare.lock()));
  EXPECT_EQ(locked(), 1);
  ASSERT_TRUE(ok(of_bare.lock()));
  EXPECT_EQ(locked(), 1);
}

TEST_F(NvDefineSpace, IsRefusedByATpmThatIsOffUnlessNvIsNotLocked) {
  World off(Stage::Disabled);
  EXPECT_TRUE(refused(client::Nv(off.tpm).define(area(client::kNvPpWrite)), rc::Disabled));
  World bare(Stage::Bare);
  World::must(bare.tpm.presence(0x08), "presence");
  World::must(bare.tpm.run(0x70), "PhysicalDisable");
  EXPECT_TRUE(ok(client::Nv(bare.tpm).define(area(client::kNvPpWrite))));
}

// ---- Before nvLocked ----

class NvUnlocked : public At<Stage::Bare> {
 protected:
  NvUnlocked() : nv(tpm) {}
  client::Nv nv;
};

TEST_F(NvUnlocked, LetsTheMakerDefineWhatStaysForEver) {
  NvPublic makers{.index = 0x1000f000, .attributes = client::kNvOwnerWrite | client::kNvOwnerRead, .bytes = 4};
  ASSERT_TRUE(ok(nv.define(makers)));
  ASSERT_TRUE(ok(nv.write(makers.index, 0, bytes_of("cert"))));
  EXPECT_EQ(nv.read(makers.index, 0, 4).value, bytes_of("cert"));
  ASSERT_TRUE(ok(nv.lock()));
  EXPECT_TRUE(refused(nv.read(makers.index, 0, 4), rc::AuthConflict));
  w.presence();
  ASSERT_TRUE(ok(tpm.run(0x5d))) << "ForceClear";
  EXPECT_EQ(nv.list().value, list_of({makers.index}));
}

TEST_F(NvUnlocked, IgnoresEveryLockAndGuard) {
  NvPublic guarded{.index = kIndex,
                   .attributes = client::kNvPpWrite | client::kNvPpRead | client::kNvWriteDefine |
                                 client::kNvWriteStClear | client::kNvGlobalLock | client::kNvReadStClear,
                   .bytes = 4};
  guarded.write =
      guarded.read = {.selection = client::pcr_selection({1}), .locality = 0x08, .at_release = client::secret("other")};
  ASSERT_TRUE(ok(nv.define(guarded)));
  ASSERT_TRUE(ok(nv.write(kIndex, 0, {})));
  ASSERT_TRUE(ok(nv.write(0, 0, {})));
  ASSERT_TRUE(ok(nv.read(kIndex, 0, 0)));
  EXPECT_TRUE(ok(nv.write(kIndex, 0, bytes_of("free"))));
  EXPECT_EQ(nv.read(kIndex, 0, 4).value, bytes_of("free"));
  EXPECT_TRUE(ok(nv.define(guarded)));
}

TEST_F(NvUnlocked, DoesNotIgnoreTheAreasSecret) {
  ASSERT_TRUE(ok(
      nv.define({.index = kIndex, .attributes = client::kNvAuthWrite | client::kNvAuthRead, .bytes = 4}, kAreaAuth)));
  EXPECT_TRUE(refused(nv.write(kIndex, 0, bytes_of("none")), rc::AuthConflict));
  EXPECT_TRUE(refused(nv.read(kIndex, 0, 4), rc::AuthConflict));
}

TEST_F(NvUnlocked, CountsWritesWithoutAnOwnerToSixtyFour) {
  NvPublic area{.index = kIndex, .attributes = client::kNvPpWrite, .bytes = 4};
  ASSERT_TRUE(ok(nv.define(area)));
  for (int i = 1; i < 64; i++) ASSERT_TRUE(ok(nv.write(kIndex, 0, {1, 2, 3, 4}))) << i;
  EXPECT_TRUE(refused(nv.write(kIndex, 0, {1, 2, 3, 4}), rc::MaxNvWrites));
  EXPECT_TRUE(refused(nv.define(area), rc::MaxNvWrites));
  EXPECT_TRUE(ok(nv.read(kIndex, 0, 4)));
  w.machine().power_cycle();
  World::must(tpm.startup(), "Startup");
  EXPECT_TRUE(refused(nv.write(kIndex, 0, {1, 2, 3, 4}), rc::MaxNvWrites));
  w.presence();
  ASSERT_TRUE(ok(tpm.run(0x5d))) << "ForceClear";
  ASSERT_TRUE(ok(tpm.run(0x6f))) << "PhysicalEnable";
  EXPECT_TRUE(ok(nv.write(kIndex, 0, {1, 2, 3, 4}))) << "the clear counts anew";
}

// ---- Reading and writing ----

class NvWriteValue : public NvTest {};
class NvWriteValueAuth : public NvTest {};

TEST_F(NvWriteValue, WritesWhereItIsTold) {
  define(area(client::kNvOwnerWrite));
  ASSERT_TRUE(ok(nv.write_as_owner(kIndex, 2, {1, 2, 3}, kOwnerAuth)));
  EXPECT_EQ(nv.read(kIndex, 0, 8).value, Bytes({0xff, 0xff, 1, 2, 3, 0xff, 0xff, 0xff}));
  restart();
  EXPECT_EQ(nv.read(kIndex, 2, 3).value, Bytes({1, 2, 3}));
}

TEST_F(NvWriteValue, AnUnknownIndexIsABadIndex) {
  EXPECT_TRUE(refused(nv.write(kIndex, 0, {1}), rc::BadIndex));
  EXPECT_TRUE(refused(nv.write_as_owner(kIndex, 0, {1}, kWrong), rc::BadIndex)) << "before the owner's proof";
  EXPECT_TRUE(refused(nv.write_auth(kIndex, 0, {1}, kAreaAuth), rc::BadIndex));
}

TEST_F(NvWriteValue, TheOwnersAreaIsTheOwners) {
  define(area(client::kNvOwnerWrite));
  EXPECT_TRUE(refused(nv.write(kIndex, 0, {1}), rc::AuthConflict));
  EXPECT_TRUE(refused(nv.write_as_owner(kIndex, 0, {1}, kWrong), rc::AuthFail));
  EXPECT_TRUE(refused(nv.write_auth(kIndex, 0, {1}, kAreaAuth), rc::AuthConflict));
}

TEST_F(NvWriteValue, TheOwnerHasNoPartInAnAreaOfOthers) {
  define(area(client::kNvPpWrite));
  w.presence();
  EXPECT_TRUE(refused(nv.write_as_owner(kIndex, 0, {1}, kOwnerAuth), rc::AuthConflict));
  EXPECT_TRUE(ok(nv.write(kIndex, 0, {1})));
}

TEST_F(NvWriteValueAuth, AnAreaWithASecretWantsIt) {
  define(area(client::kNvAuthWrite));
  EXPECT_TRUE(refused(nv.write(kIndex, 0, {1}), rc::AuthConflict));
  EXPECT_TRUE(refused(nv.write_auth(kIndex, 0, {1}, kWrong), rc::AuthFail));
  EXPECT_TRUE(ok(nv.write_auth(kIndex, 0, {1}, kAreaAuth)));
  EXPECT_EQ(nv.read(kIndex, 0, 1).value, Bytes{1});
}

TEST_F(NvWriteValueAuth, AnOsapSessionOfTheAreaProvesItToo) {
  define(area(client::kNvAuthWrite));
  Session* session = w.osap(client::kEtNv, kIndex, kAreaAuth);
  client::Command write{
      .ordinal = 0xce, .params = Out().u32(kIndex).u32(0).sized({7}), .proofs = {{.session = session}}};
  EXPECT_TRUE(ok(tpm.run(write)));
  EXPECT_TRUE(refused(tpm.osap(client::kEtNv, kIndex + 1, kAreaAuth), rc::BadIndex));
}

TEST_F(NvWriteValue, PresenceIsAskedForWhenTheAreaSaysSo) {
  define(area(client::kNvPpWrite));
  EXPECT_TRUE(refused(nv.write(kIndex, 0, {1}), rc::BadPresence));
  define(area(client::kNvPpWrite | client::kNvAuthWrite));
  EXPECT_TRUE(refused(nv.write_auth(kIndex, 0, {1}, kAreaAuth), rc::BadPresence));
  w.presence();
  EXPECT_TRUE(ok(nv.write_auth(kIndex, 0, {1}, kAreaAuth)));
}

TEST_F(NvWriteValue, LocalitiesAndPcrsAreAskedForWhenTheAreaSaysSo) {
  NvPublic guarded = area(client::kNvWriteDefine);
  guarded.write = {.selection = client::pcr_selection({9}), .locality = 0x04};
  guarded.write.at_release = client::composite(guarded.write.selection, {Digest{}});
  define(guarded);
  EXPECT_TRUE(refused(nv.write(kIndex, 0, {1}), rc::BadLocality));
  tpm.locality = 2;
  EXPECT_TRUE(ok(nv.write(kIndex, 0, {1})));
  set_pcr();
  EXPECT_TRUE(refused(nv.write(kIndex, 0, {1}), rc::WrongPcrVal));
  tpm.locality = 0;
  EXPECT_TRUE(refused(nv.write(kIndex, 0, {1}), rc::BadLocality)) << "first";
  EXPECT_TRUE(ok(nv.read(kIndex, 0, 1))) << "reading is not guarded";
}

TEST_F(NvWriteValueAuth, LocalitiesAndPcrsOfAnAreaWithASecret) {
  NvPublic guarded = area(client::kNvAuthWrite | client::kNvAuthRead);
  guarded.write = {.selection = client::pcr_selection({9}), .locality = 0x04};
  guarded.write.at_release = client::composite(guarded.write.selection, {Digest{}});
  guarded.read = guarded.write;
  define(guarded);
  EXPECT_TRUE(refused(nv.write_auth(kIndex, 0, {1}, kAreaAuth), rc::BadLocality));
  EXPECT_TRUE(refused(nv.read_auth(kIndex, 0, 1, kAreaAuth), rc::BadLocality));
  tpm.locality = 2;
  EXPECT_TRUE(ok(nv.write_auth(kIndex, 0, {1}, kAreaAuth)));
  EXPECT_EQ(nv.read_auth(kIndex, 0, 1, kAreaAuth).value, Bytes{1});
  set_pcr();
  EXPECT_TRUE(refused(nv.write_auth(kIndex, 0, {1}, kAreaAuth), rc::WrongPcrVal));
  EXPECT_TRUE(refused(nv.read_auth(kIndex, 0, 1, kAreaAuth), rc::WrongPcrVal));
}

TEST_F(NvWriteValue, BeyondTheAreaIsNoSpace) {
  define(area(client::kNvOwnerWrite));
  EXPECT_TRUE(refused(nv.write_as_owner(kIndex, 0, Bytes(9), kOwnerAuth), rc::NoSpace));
  EXPECT_TRUE(refused(nv.write_as_owner(kIndex, 8, Bytes(1), kOwnerAuth), rc::NoSpace));
  EXPECT_TRUE(refused(nv.write_as_owner(kIndex, 0xffffffff, Bytes(2), kOwnerAuth), rc::NoSpace));
  EXPECT_EQ(nv.read(kIndex, 0, 8).value, Bytes(8, 0xff));
}

TEST_F(NvWriteValue, AWholeAreaIsWrittenWhole) {
  define(area(client::kNvOwnerWrite | client::kNvWriteAll));
  EXPECT_TRUE(refused(nv.write_as_owner(kIndex, 0, Bytes(7), kOwnerAuth), rc::NotFullWrite));
  EXPECT_TRUE(ok(nv.write_as_owner(kIndex, 0, Bytes(8), kOwnerAuth)));
}

TEST_F(NvWriteValueAuth, OfNothingLocksForEver) {
  define(area(client::kNvAuthWrite | client::kNvWriteDefine));
  ASSERT_TRUE(ok(nv.write_auth(kIndex, 0, {1}, kAreaAuth)));
  ASSERT_TRUE(ok(nv.write_auth(kIndex, 0, {}, kAreaAuth)));
  EXPECT_TRUE(nv.public_of(kIndex).value.write_define);
  EXPECT_TRUE(refused(nv.write_auth(kIndex, 0, {1}, kAreaAuth), rc::AreaLocked));
  restart();
  EXPECT_TRUE(refused(nv.write_auth(kIndex, 0, {1}, kAreaAuth), rc::AreaLocked));
  EXPECT_TRUE(ok(define_result(area(client::kNvAuthWrite | client::kNvWriteDefine)))) << "the owner may define it anew";
  EXPECT_TRUE(ok(nv.write_auth(kIndex, 0, {1}, kAreaAuth)));
}

TEST_F(NvWriteValue, OfNothingLocksUntilStartup) {
  define(area(client::kNvPpWrite | client::kNvWriteStClear));
  w.presence();
  ASSERT_TRUE(ok(nv.write(kIndex, 0, {})));
  EXPECT_TRUE(nv.public_of(kIndex).value.write_stclear);
  EXPECT_TRUE(refused(nv.write(kIndex, 0, {1}), rc::AreaLocked));
  World::must(tpm.run(0x98), "SaveState");
  w.machine().power_cycle();
  World::must(tpm.startup(2), "Startup(ST_STATE)");
  EXPECT_TRUE(refused(nv.write(kIndex, 0, {1}), rc::AreaLocked)) << "waking up is no start";
  restart();
  w.presence();
  EXPECT_TRUE(ok(nv.write(kIndex, 0, {1})));
}

TEST_F(NvWriteValue, AnAreaWithoutLocksIsNotLocked) {
  define(area(client::kNvOwnerWrite));
  ASSERT_TRUE(ok(nv.write_as_owner(kIndex, 0, {}, kOwnerAuth)));
  EXPECT_TRUE(ok(nv.write_as_owner(kIndex, 0, {1}, kOwnerAuth)));
}

TEST_F(NvWriteValue, IndexZeroLocksEveryAreaThatSaysSo) {
  define(area(client::kNvAuthWrite | client::kNvGlobalLock));
  NvPublic other{.index = kIndex + 1, .attributes = client::kNvPpWrite | client::kNvGlobalLock, .bytes = 4};
  define(other);
  w.presence();
  EXPECT_TRUE(refused(nv.write(0, 0, {1}), rc::BadIndex));
  EXPECT_TRUE(refused(nv.write_as_owner(0, 0, {}, kWrong), rc::AuthFail)) << "a session that comes is checked";
  EXPECT_TRUE(ok(nv.write(other.index, 0, {1})));
  ASSERT_TRUE(ok(nv.write_as_owner(0, 0, {}, kOwnerAuth)));
  EXPECT_EQ(tpm.get_capability(4, Out().u32(0x109)).value.at(2 + 4), 1) << "bGlobalLock";
  EXPECT_TRUE(refused(nv.write(other.index, 0, {1}), rc::AreaLocked));
  EXPECT_TRUE(refused(nv.write_auth(kIndex, 0, {1}, kAreaAuth), rc::AreaLocked));
  restart();
  EXPECT_TRUE(ok(nv.write_auth(kIndex, 0, {1}, kAreaAuth)));
}

class NvReadValue : public NvTest {};
class NvReadValueAuth : public NvTest {};

TEST_F(NvReadValue, TheOwnersAreaIsTheOwners) {
  define(area(client::kNvOwnerWrite | client::kNvOwnerRead));
  EXPECT_TRUE(refused(nv.read(kIndex, 0, 8), rc::AuthConflict));
  EXPECT_TRUE(refused(nv.read_as_owner(kIndex, 0, 8, kWrong), rc::AuthFail));
  EXPECT_TRUE(refused(nv.read_auth(kIndex, 0, 8, kAreaAuth), rc::AuthConflict));
  EXPECT_EQ(nv.read_as_owner(kIndex, 0, 8, kOwnerAuth).value, Bytes(8, 0xff));
}

TEST_F(NvReadValueAuth, AnAreaWithASecretWantsIt) {
  define(area(client::kNvOwnerWrite | client::kNvAuthRead));
  EXPECT_TRUE(refused(nv.read(kIndex, 0, 8), rc::AuthConflict));
  EXPECT_TRUE(refused(nv.read_as_owner(kIndex, 0, 8, kOwnerAuth), rc::AuthConflict));
  EXPECT_TRUE(refused(nv.read_auth(kIndex, 0, 8, kWrong), rc::AuthFail));
  EXPECT_EQ(nv.read_auth(kIndex, 0, 8, kAreaAuth).value, Bytes(8, 0xff));
}

TEST_F(NvReadValue, BeyondTheAreaIsNoSpace) {
  define(area(client::kNvOwnerWrite));
  for (auto [offset, n] : {std::pair{0U, 9U}, {8U, 1U}, {7U, 2U}, {1U, 0xffffffffU}, {0xffffffffU, 2U}}) {
    EXPECT_TRUE(refused(nv.read(kIndex, offset, n), rc::NoSpace)) << offset << " " << n;
  }
  EXPECT_EQ(nv.read(kIndex, 7, 1).value, Bytes{0xff});
}

TEST_F(NvReadValue, AnUnknownIndexIsABadIndex) {
  EXPECT_TRUE(refused(nv.read(kIndex, 0, 1), rc::BadIndex));
  EXPECT_TRUE(refused(nv.read(0, 0, 1), rc::BadIndex));
  EXPECT_TRUE(refused(nv.read(client::kNvLock, 0, 1), rc::BadIndex));
  EXPECT_TRUE(refused(nv.read_auth(kIndex, 0, 1, kAreaAuth), rc::BadIndex));
}

TEST_F(NvReadValue, PresencePcrsAndLocalitiesAreAskedForWhenTheAreaSaysSo) {
  NvPublic guarded = area(client::kNvOwnerWrite | client::kNvPpRead);
  guarded.read = {.selection = client::pcr_selection({9}), .locality = 0x04};
  guarded.read.at_release = client::composite(guarded.read.selection, {Digest{}});
  define(guarded);
  EXPECT_TRUE(refused(nv.read(kIndex, 0, 1), rc::BadLocality));
  tpm.locality = 2;
  EXPECT_TRUE(refused(nv.read(kIndex, 0, 1), rc::BadPresence));
  w.presence();
  EXPECT_TRUE(ok(nv.read(kIndex, 0, 1)));
  set_pcr();
  EXPECT_TRUE(refused(nv.read(kIndex, 0, 1), rc::WrongPcrVal));
}

TEST_F(NvReadValue, OfNothingLocksUntilStartupOrAWrite) {
  define(area(client::kNvOwnerWrite | client::kNvReadStClear));
  ASSERT_TRUE(ok(nv.read(kIndex, 0, 0)));
  EXPECT_TRUE(nv.public_of(kIndex).value.read_stclear);
  EXPECT_TRUE(refused(nv.read(kIndex, 0, 1), rc::DisabledCmd));
  ASSERT_TRUE(ok(nv.write_as_owner(kIndex, 0, {1}, kOwnerAuth)));
  EXPECT_TRUE(ok(nv.read(kIndex, 0, 1)));
  ASSERT_TRUE(ok(nv.read(kIndex, 0, 0)));
  restart();
  EXPECT_TRUE(ok(nv.read(kIndex, 0, 1)));
}

TEST_F(NvReadValueAuth, OfNothingLocksAnAreaWithASecretToo) {
  define(area(client::kNvAuthWrite | client::kNvAuthRead | client::kNvReadStClear));
  ASSERT_TRUE(ok(nv.read_auth(kIndex, 0, 0, kAreaAuth)));
  EXPECT_TRUE(refused(nv.read_auth(kIndex, 0, 1, kAreaAuth), rc::DisabledCmd));
  ASSERT_TRUE(ok(nv.write_auth(kIndex, 0, {1}, kAreaAuth)));
  EXPECT_TRUE(ok(nv.read_auth(kIndex, 0, 1, kAreaAuth)));
}

TEST_F(NvReadValue, ATpmThatIsOffKeepsTheOwnersAreasOnly) {
  define(area(client::kNvOwnerWrite | client::kNvOwnerRead));
  NvPublic open{.index = kIndex + 1, .attributes = client::kNvWriteDefine, .bytes = 4};
  define(open);
  World::must(tpm.run_oiap({.ordinal = 0x6e, .params = Out().u8(1)}, kOwnerAuth), "OwnerSetDisable");
  EXPECT_TRUE(refused(nv.read(kIndex, 0, 1), rc::Disabled));
  EXPECT_TRUE(refused(nv.write(kIndex, 0, {1}), rc::Disabled));
  EXPECT_TRUE(ok(nv.read(open.index, 0, 1)));
  EXPECT_TRUE(ok(nv.write(open.index, 0, {1})));
  World::must(tpm.run_oiap({.ordinal = 0x6e, .params = Out().u8(0)}, kOwnerAuth), "OwnerSetDisable");
  w.presence();
  World::must(tpm.run(0x73), "SetTempDeactivated");
  EXPECT_TRUE(refused(nv.read(kIndex, 0, 1), rc::Deactivated));
  EXPECT_TRUE(ok(nv.read(open.index, 0, 1)));
}

// ---- The DIR, and the end of an owner ----

class NvDir : public NvTest {};

TEST_F(NvDir, IsTwentyBytesThatTheOwnerWritesWhole) {
  EXPECT_EQ(nv.read(client::kNvDir, 0, 20).value, Bytes(20, 0));
  Bytes contents = bytes_of(client::secret("dir"));
  EXPECT_TRUE(refused(nv.write(client::kNvDir, 0, contents), rc::AuthConflict));
  EXPECT_TRUE(refused(nv.write_as_owner(client::kNvDir, 0, Bytes(19), kOwnerAuth), rc::NotFullWrite));
  EXPECT_TRUE(refused(nv.write_as_owner(client::kNvDir, 1, contents, kOwnerAuth), rc::NoSpace));
  ASSERT_TRUE(ok(nv.write_as_owner(client::kNvDir, 0, contents, kOwnerAuth)));
  EXPECT_EQ(nv.read(client::kNvDir, 0, 20).value, contents);
  EXPECT_EQ(nv.read(client::kNvDir, 19, 1).value, Bytes{contents.back()});
  EXPECT_TRUE(refused(nv.read_as_owner(client::kNvDir, 0, 20, kOwnerAuth), rc::AuthConflict));
  EXPECT_TRUE(ok(nv.write_as_owner(client::kNvDir, 0, {}, kOwnerAuth))) << "locks nothing";
  EXPECT_TRUE(ok(nv.write_as_owner(client::kNvDir, 0, contents, kOwnerAuth)));
}

TEST_F(NvDir, IsNotAmongTheAreas) {
  EXPECT_EQ(nv.list().value, Bytes{});
  EXPECT_TRUE(refused(nv.public_of(client::kNvDir), rc::BadIndex));
  EXPECT_TRUE(refused(tpm.osap(client::kEtNv, client::kNvDir, Digest{}), rc::BadIndex));
}

class NvOfAnOwner : public NvTest {};

TEST_F(NvOfAnOwner, GoesWithTheOwner) {
  for (auto [index, attributes] : {std::pair{1U, client::kNvOwnerWrite},
                                   {2U, client::kNvOwnerRead | client::kNvPpWrite},
                                   {3U, client::kNvAuthWrite},
                                   {4U, client::kNvWriteDefine}}) {
    define({.index = index, .attributes = attributes, .bytes = 4});
  }
  Bytes contents = bytes_of(client::secret("dir"));
  ASSERT_TRUE(ok(nv.write_as_owner(client::kNvDir, 0, contents, kOwnerAuth)));
  ASSERT_TRUE(ok(tpm.run_oiap({.ordinal = 0x5b}, kOwnerAuth))) << "OwnerClear";
  EXPECT_EQ(nv.list().value, list_of({3, 4}));
  EXPECT_EQ(nv.read(client::kNvDir, 0, 20).value, contents);
}

TEST_F(NvOfAnOwner, RevokingTrustTakesTheMakersAreasToo) {
  World bare(Stage::Bare);
  client::Nv of_bare(bare.tpm);
  ASSERT_TRUE(ok(of_bare.define({.index = 0x10000007, .attributes = client::kNvWriteDefine, .bytes = 4})));
  ASSERT_TRUE(ok(of_bare.define({.index = 7, .attributes = client::kNvWriteDefine, .bytes = 4})));
  Bytes parms = client::KeyParms{.enc_scheme = client::kEsOaep}.encode();
  World::must(bare.tpm.run(0x7f, Out().raw(client::fresh_nonce()).raw(parms).u8(0).raw(kDataAuth)),
              "CreateRevocableEK");
  ASSERT_TRUE(ok(of_bare.lock()));
  bare.presence();
  World::must(bare.tpm.run(0x80, Out().raw(kDataAuth)), "RevokeTrust");
  EXPECT_EQ(of_bare.list().value, list_of({7}));
  EXPECT_EQ(bare.tpm.get_capability(4, Out().u32(0x108)).value.at(2 + 15), 0) << "nvLocked";
}

}  // namespace world
