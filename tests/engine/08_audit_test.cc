// SPDX-License-Identifier: MIT
#include <algorithm>

#include "tests/engine/audit_client.h"
#include "tests/engine/tpm_test.h"

namespace world {

using client::AuditLog;
using client::Command;

namespace {

constexpr uint32_t kGetRandom = 0x46, kPcrRead = 0x15, kGetTicks = 0xf1, kSetStatus = 0x8d;

}  // namespace

class AuditTest : public StartedTest {
 protected:
  AuditTest() : audit(tpm) {}
  client::AuditState state() {
    auto answer = audit.digest();
    World::must(answer.reply, "GetAuditDigest");
    return answer.value;
  }
  void restart() {
    w.machine().power_cycle();
    World::must(tpm.startup(), "Startup");
  }
  client::Audit audit;
};

// An owner, and TPM_GetTicks among what is audited.
class AuditOfOwner : public OwnedTest {
 protected:
  AuditOfOwner() : audit(tpm) {
    // Nothing of what made this world is in the digest that the tests compare.
    w.machine().power_cycle();
    World::must(tpm.startup(), "Startup");
  }
  client::AuditState state() {
    auto answer = audit.digest();
    World::must(answer.reply, "GetAuditDigest");
    return answer.value;
  }
  bool audits(uint32_t ordinal) {
    std::vector<uint32_t> ordinals = state().ordinals;
    return std::find(ordinals.begin(), ordinals.end(), ordinal) != ordinals.end();
  }
  client::Reply run(AuditLog& log, const Command& command) {
    client::Reply reply = tpm.run(command);
    log.both(command, reply);
    return reply;
  }
  client::Reply set(uint32_t ordinal, bool audited) { return audit.set(ordinal, audited, kOwnerAuth); }
  client::Audit audit;
};

// ---- The list ----

TEST_F(AuditTest, ListsTheDefaultsInOrder) {
  std::vector<uint32_t> ordinals = state().ordinals;
  EXPECT_TRUE(std::is_sorted(ordinals.begin(), ordinals.end()));
  for (uint32_t ordinal : {0x0dU, 0x10U, 0x1fU, 0x5bU, 0x5cU, 0x5dU, 0x5eU, 0x6eU, 0x6fU, 0x70U, 0x71U, 0x72U, 0x73U,
                           0x79U, 0x7aU, 0x7cU, 0x7dU, 0x7eU, kSetStatus}) {
    EXPECT_TRUE(std::find(ordinals.begin(), ordinals.end(), ordinal) != ordinals.end()) << std::hex << ordinal;
  }
  for (uint32_t ordinal : {0x0aU, 0x14U, 0x15U, 0x17U, 0x65U, 0x85U, 0x86U}) {
    EXPECT_TRUE(std::find(ordinals.begin(), ordinals.end(), ordinal) == ordinals.end()) << std::hex << ordinal;
  }
  EXPECT_FALSE(state().more);
}

TEST_F(AuditTest, ListsFromWhereItIsAsked) {
  std::vector<uint32_t> all = state().ordinals;
  std::vector<uint32_t> from = audit.digest(0x70).value.ordinals;
  ASSERT_FALSE(from.empty());
  EXPECT_EQ(from.front(), 0x70U);
  EXPECT_TRUE(std::equal(from.rbegin(), from.rend(), all.rbegin()));
  EXPECT_EQ(audit.digest(0xffffffff).value.ordinals, std::vector<uint32_t>{});
}

// ---- The digest ----

TEST_F(AuditTest, NothingAuditedIsZeros) {
  restart();
  EXPECT_EQ(state().digest, Digest{});
  ASSERT_TRUE(ok(tpm.get_random(4)));
  EXPECT_EQ(state().digest, Digest{});
}

TEST_F(AuditTest, CountsSessionsNotCommands) {
  restart();
  uint32_t before = state().count;
  ASSERT_TRUE(ok(tpm.read_pubek()));
  EXPECT_EQ(state().count, before + 1);
  ASSERT_TRUE(ok(tpm.read_pubek()));
  EXPECT_EQ(state().count, before + 1);
  restart();
  EXPECT_EQ(state().digest, Digest{});
  EXPECT_EQ(state().count, before + 1);
  ASSERT_TRUE(ok(tpm.read_pubek()));
  EXPECT_EQ(state().count, before + 2);
}

TEST_F(AuditTest, AnybodyCanRecomputeIt) {
  restart();
  AuditLog log(state().count + 1);
  Command read{.ordinal = 0x7c, .params = Out().raw(client::fresh_nonce())};
  for (int i = 0; i < 2; i++) {
    client::Reply reply = tpm.run(read);
    ASSERT_TRUE(ok(reply));
    log.both(read, reply);
    EXPECT_EQ(state().digest, log.digest()) << i;
  }
}

TEST_F(AuditTest, AFailureIsNotAudited) {
  restart();
  ASSERT_TRUE(refused(tpm.run(0x5d), rc::BadPresence));  // ForceClear
  EXPECT_EQ(state().digest, Digest{});
}

TEST_F(AuditTest, ADiskThatBreaksLeavesNeitherCommandNorAudit) {
  restart();
  w.presence();
  client::AuditState before = state();
  w.machine().break_disk(true);
  EXPECT_NE(tpm.run(0x71, Out().u8(0)).code, rc::Ok);  // SetOwnerInstall
  w.machine().break_disk(false);
  EXPECT_EQ(state().digest, before.digest);
  EXPECT_EQ(state().count, before.count);
}

TEST_F(AuditOfOwner, HandlesAndSessionsAreNotInIt) {
  ASSERT_TRUE(ok(set(0x21, true)));  // GetPubKey
  AuditLog log(state().count);
  Command setting{.ordinal = kSetStatus, .params = Out().u32(0x21).u8(1)};
  log.both(setting, {.code = 0});
  ASSERT_EQ(state().digest, log.digest());
  Command get{.ordinal = 0x21, .handles = Out().u32(w.load(w.keys().sign)), .proofs = {w.by_key()}};
  ASSERT_TRUE(ok(run(log, get)));
  EXPECT_EQ(state().digest, log.digest());
}

TEST_F(AuditOfOwner, OutputHandlesAreNotInIt) {
  ASSERT_TRUE(ok(set(0x41, true)));  // LoadKey2
  AuditLog log(state().count);
  log.both({.ordinal = kSetStatus, .params = Out().u32(0x41).u8(1)}, {.code = 0});
  Command load{.ordinal = 0x41,
               .handles = Out().u32(client::kSrk),
               .params = w.keys().sign.encode(),
               .proofs = {w.by_srk()},
               .out_handle_bytes = 4};
  ASSERT_TRUE(ok(run(log, load)));
  EXPECT_EQ(state().digest, log.digest());
}

TEST_F(AuditOfOwner, OfSaveStateHasItsInputOnlyAndIsSavedWithIt) {
  ASSERT_TRUE(ok(set(0x98, true)));
  AuditLog log(state().count);
  log.both({.ordinal = kSetStatus, .params = Out().u32(0x98).u8(1)}, {.code = 0});
  ASSERT_TRUE(ok(tpm.run(0x98)));
  log.input({.ordinal = 0x98});
  w.machine().power_cycle();
  World::must(tpm.startup(2), "Startup(ST_STATE)");
  EXPECT_EQ(state().digest, log.digest());
}

// ---- The owner's choice ----

class SetOrdinalAuditStatus : public AuditOfOwner {};

TEST_F(SetOrdinalAuditStatus, TurnsAuditOnAndOff) {
  EXPECT_FALSE(audits(kGetTicks));
  ASSERT_TRUE(ok(set(kGetTicks, true)));
  EXPECT_TRUE(audits(kGetTicks));
  Digest before = state().digest;
  ASSERT_TRUE(ok(tpm.get_ticks()));
  EXPECT_NE(state().digest, before);
  w.machine().power_cycle();
  World::must(tpm.startup(), "Startup");
  EXPECT_TRUE(audits(kGetTicks)) << "for good";
  ASSERT_TRUE(ok(set(kGetTicks, false)));
  EXPECT_FALSE(audits(kGetTicks));
  before = state().digest;
  ASSERT_TRUE(ok(tpm.get_ticks()));
  EXPECT_EQ(state().digest, before);
}

TEST_F(SetOrdinalAuditStatus, OfItselfIsAuditedAsItWas) {
  AuditLog log(state().count + 1);
  Command off{.ordinal = kSetStatus, .params = Out().u32(kSetStatus).u8(0), .proofs = {w.by_owner()}};
  ASSERT_TRUE(ok(run(log, off)));
  EXPECT_EQ(state().digest, log.digest());
  Command on{.ordinal = kSetStatus, .params = Out().u32(kSetStatus).u8(1), .proofs = {w.by_owner()}};
  ASSERT_TRUE(ok(tpm.run(on)));
  EXPECT_EQ(state().digest, log.digest()) << "nobody audits its switching on";
  EXPECT_TRUE(audits(kSetStatus));
}

TEST_F(SetOrdinalAuditStatus, KnowsWhatItKnows) {
  for (uint32_t ordinal : {0U, 9U, 0x52U, 0x82U, 0xffffffffU}) {
    EXPECT_TRUE(refused(set(ordinal, true), rc::BadIndex)) << ordinal;
    EXPECT_TRUE(refused(set(ordinal, false), rc::BadIndex)) << ordinal;
  }
}

TEST_F(SetOrdinalAuditStatus, NeverAuditsTheAuditCommands) {
  for (uint32_t ordinal : {0x85U, 0x86U}) {
    EXPECT_TRUE(refused(set(ordinal, true), rc::BadParameter));
    EXPECT_TRUE(ok(set(ordinal, false)));
    EXPECT_FALSE(audits(ordinal));
  }
}

TEST_F(SetOrdinalAuditStatus, NeedsTheOwnerAndABoolean) {
  EXPECT_TRUE(refused(audit.set(kPcrRead, true, kWrong), rc::AuthFail));
  Command odd{.ordinal = kSetStatus, .params = Out().u32(kPcrRead).u8(2)};
  EXPECT_TRUE(refused(tpm.run_oiap(odd, kOwnerAuth), rc::BadParameter));
  EXPECT_FALSE(audits(kPcrRead));
}

TEST_F(SetOrdinalAuditStatus, GoesWithTheOwnerButNotTheDigest) {
  ASSERT_TRUE(ok(set(kGetRandom, true)));
  ASSERT_TRUE(ok(set(0x7c, false)));
  AuditLog log(state().count);
  log.both({.ordinal = kSetStatus, .params = Out().u32(kGetRandom).u8(1)}, {.code = 0});
  log.both({.ordinal = kSetStatus, .params = Out().u32(0x7c).u8(0)}, {.code = 0});
  uint32_t count = state().count;
  ASSERT_TRUE(ok(run(log, {.ordinal = 0x5b, .proofs = {w.by_owner()}})));  // OwnerClear
  w.presence();
  ASSERT_TRUE(ok(run(log, {.ordinal = 0x6f})));                         // PhysicalEnable
  ASSERT_TRUE(ok(run(log, {.ordinal = 0x72, .params = Out().u8(0)})));  // PhysicalSetDeactivated
  EXPECT_TRUE(audits(0x7c));
  EXPECT_FALSE(audits(kGetRandom));
  EXPECT_EQ(state().digest, log.digest());
  EXPECT_EQ(state().count, count);
}

// ---- Signed ----

class GetAuditDigestSigned : public AuditOfOwner {
 protected:
  Command sign(const Key& key, bool close) {
    return {.ordinal = 0x86,
            .handles = Out().u32(w.load(key)),
            .params = Out().u8(close).raw(client::secret("replay")),
            .proofs = {w.by_key()}};
  }
};

TEST_F(GetAuditDigestSigned, SignsDigestCounterAndList) {
  ASSERT_TRUE(ok(set(kGetTicks, true)));
  client::AuditState before = state();
  client::Reply reply = tpm.run(sign(w.keys().sign, false));
  ASSERT_TRUE(ok(reply));
  client::In in(reply.params);
  Bytes counter = in.raw(10);
  EXPECT_EQ(counter, Out().u16(0x0e).u32(0).u32(before.count).bytes());
  Digest digest = in.digest(), ordinals = in.digest();
  Bytes signature = in.sized();
  EXPECT_TRUE(in.done());
  EXPECT_EQ(digest, before.digest);
  Out list;
  for (uint32_t ordinal : before.ordinals) list.u32(ordinal);
  EXPECT_EQ(ordinals, client::sha1(list));
  Bytes summary = Out().raw(digest).raw(counter).raw(ordinals);
  Bytes signed_info = Out().u16(5).raw(client::bytes_of("ADIG")).raw(client::secret("replay")).sized(summary);
  EXPECT_TRUE(client::verify_sha1(w.keys().sign.pub(), client::sha1(signed_info), signature));
  EXPECT_EQ(state().digest, before.digest) << "it is not audited itself";
}

TEST_F(GetAuditDigestSigned, AnIdentityMayCloseTheSession) {
  ASSERT_TRUE(ok(set(kGetTicks, true)));
  uint32_t count = state().count;
  ASSERT_TRUE(ok(tpm.run(sign(w.keys().identity, true))));
  EXPECT_EQ(state().digest, Digest{});
  EXPECT_EQ(state().count, count);
  ASSERT_TRUE(ok(tpm.get_ticks()));
  EXPECT_EQ(state().count, count + 1);
}

TEST_F(GetAuditDigestSigned, AnotherKeyMayNot) {
  ASSERT_TRUE(ok(set(kGetTicks, true)));
  Digest digest = state().digest;
  EXPECT_TRUE(refused(tpm.run(sign(w.keys().sign, true)), rc::InvalidKeyUsage));
  EXPECT_EQ(state().digest, digest);
}

TEST_F(GetAuditDigestSigned, WantsASigningKeyOfTheRightScheme) {
  EXPECT_TRUE(refused(tpm.run(sign(w.keys().bind, false)), rc::InvalidKeyUsage));
  EXPECT_TRUE(refused(tpm.run(sign(w.keys().storage, false)), rc::InvalidKeyUsage));
  EXPECT_TRUE(refused(tpm.run(sign(w.keys().sign_der, false)), rc::InvalidKeyUsage));
  EXPECT_TRUE(ok(tpm.run(sign(w.keys().sign_info, false))));
  EXPECT_TRUE(ok(tpm.run(sign(w.keys().legacy, false))));
}

TEST_F(GetAuditDigestSigned, AKeyWithoutASecretNeedsNoSession) {
  Command open = sign(w.keys().open, false);
  open.proofs.clear();
  EXPECT_TRUE(ok(tpm.run(open)));
  Command guarded = sign(w.keys().sign, false);
  guarded.proofs.clear();
  EXPECT_TRUE(refused(tpm.run(guarded), rc::AuthFail));
}

}  // namespace world
