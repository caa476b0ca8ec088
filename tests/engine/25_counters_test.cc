// SPDX-License-Identifier: MIT
#include "tests/engine/counter_client.h"
#include "tests/engine/tpm_test.h"

namespace world {

namespace {

const Digest kCounterAuth = client::secret("counter");
constexpr uint32_t kNone = 0xffffffff;

}  // namespace

class CounterTest : public OwnedTest {
 protected:
  CounterTest() : counters(tpm) {}
  client::CounterRead create(std::string_view label = "test") {
    auto created = counters.create(kOwnerAuth, kCounterAuth, label);
    World::must(created.reply, "CreateCounter");
    return created.value;
  }
  void restart() {
    w.machine().power_cycle();
    World::must(tpm.startup(), "Startup");
  }
  uint32_t number(uint32_t property) { return client::In(tpm.get_capability(5, Out().u32(property)).value).u32(); }
  Bytes handles() { return tpm.get_capability(0x14, Out().u32(6)).value; }

  client::Counters counters;
};

class CreateCounter : public CounterTest {};

TEST_F(CreateCounter, StartsAboveEveryOther) {
  client::CounterRead one = create("one ");
  EXPECT_EQ(one.label, client::bytes_of("one "));
  for (int i = 0; i < 5; i++) ASSERT_TRUE(ok(counters.increment(one.id, kCounterAuth)));
  client::CounterRead two = create("two ");
  EXPECT_NE(two.id, one.id);
  EXPECT_EQ(two.count, one.count + 6);
  EXPECT_EQ(handles(), Out().u16(2).u32(one.id).u32(two.id).bytes());
}

TEST_F(CreateCounter, StartsAboveThoseThatAreGone) {
  client::CounterRead one = create();
  uint32_t last = counters.increment(one.id, kCounterAuth).value.count;
  ASSERT_TRUE(ok(counters.release(one.id, kCounterAuth)));
  client::CounterRead two = create();
  EXPECT_GT(two.count, last);
  EXPECT_NE(two.id, one.id);
}

TEST_F(CreateCounter, EndsItsSession) {
  Session* session = w.osap(client::kEtOwner, client::kOwner, kOwnerAuth);
  client::Command command{.ordinal = 0xdc,
                          .params = Out().raw(client::hide_even(*session, kCounterAuth)).raw(client::bytes_of("test")),
                          .proofs = {{.session = session, .keep = true}}};
  ASSERT_TRUE(ok(tpm.run(command)));
  EXPECT_FALSE(session->alive);
}

TEST_F(CreateCounter, WantsAnOsapSession) {
  client::Command command{.ordinal = 0xdc, .params = Out().raw(Digest{}).raw(client::bytes_of("test"))};
  EXPECT_TRUE(refused(tpm.run_oiap(command, kOwnerAuth), rc::BadMode));
}

TEST_F(CreateCounter, ThereAreAtLeastFourAndAnEndOfThem) {
  uint32_t most = number(0x10f);
  ASSERT_GE(most, 4U);
  EXPECT_EQ(number(0x10c), most);
  for (uint32_t i = 0; i < most; i++) {
    create();
    EXPECT_EQ(number(0x10c), most - i - 1);
  }
  EXPECT_TRUE(refused(counters.create(kOwnerAuth, kCounterAuth, "test"), rc::Resources));
}

class IncrementCounter : public CounterTest {};

TEST_F(IncrementCounter, AddsOneForGood) {
  client::CounterRead counter = create();
  auto next = counters.increment(counter.id, kCounterAuth);
  ASSERT_TRUE(ok(next));
  EXPECT_EQ(next.value.count, counter.count + 1);
  EXPECT_EQ(next.value.label, counter.label);
  restart();
  EXPECT_EQ(counters.read(counter.id).value.count, counter.count + 1);
}

TEST_F(IncrementCounter, OnlyOneIsActiveUntilStartup) {
  client::CounterRead one = create(), two = create();
  EXPECT_EQ(counters.active(), kNone);
  ASSERT_TRUE(ok(counters.increment(one.id, kCounterAuth)));
  EXPECT_EQ(counters.active(), one.id);
  EXPECT_TRUE(refused(counters.increment(two.id, kCounterAuth), rc::BadCounter));
  World::must(tpm.run(0x98), "SaveState");
  w.machine().power_cycle();
  World::must(tpm.startup(2), "Startup(ST_STATE)");
  EXPECT_TRUE(refused(counters.increment(two.id, kCounterAuth), rc::BadCounter)) << "waking up is no start";
  restart();
  EXPECT_EQ(counters.active(), kNone);
  EXPECT_TRUE(ok(counters.increment(two.id, kCounterAuth)));
}

TEST_F(IncrementCounter, WantsTheCountersSecret) {
  client::CounterRead counter = create();
  EXPECT_TRUE(refused(counters.increment(counter.id, kOwnerAuth), rc::AuthFail));
  EXPECT_EQ(counters.active(), kNone) << "a wrong proof makes nothing active";
  Session* session = w.osap(client::kEtCounter, counter.id, kCounterAuth);
  EXPECT_TRUE(ok(tpm.run({.ordinal = 0xdd, .params = Out().u32(counter.id), .proofs = {{.session = session}}})));
}

TEST_F(IncrementCounter, AnotherCountersSessionProvesNothing) {
  client::CounterRead one = create(), two = create();
  Session* session = w.osap(client::kEtCounter, two.id, kCounterAuth);
  EXPECT_TRUE(
      refused(tpm.run({.ordinal = 0xdd, .params = Out().u32(one.id), .proofs = {{.session = session}}}), rc::AuthFail));
}

TEST_F(IncrementCounter, AnUnknownCounterIsABadCounter) {
  for (uint32_t id : {0U, 77U, 0xfffffffeU, kNone}) {
    EXPECT_TRUE(refused(counters.increment(id, kCounterAuth), rc::BadCounter)) << id;
    EXPECT_TRUE(refused(counters.read(id), rc::BadCounter)) << id;
    EXPECT_TRUE(refused(counters.release(id, kCounterAuth), rc::BadCounter)) << id;
    EXPECT_TRUE(refused(counters.release_as_owner(id, kOwnerAuth), rc::BadCounter)) << id;
    EXPECT_TRUE(refused(tpm.osap(client::kEtCounter, id, kCounterAuth), rc::BadCounter)) << id;
  }
}

class ReadCounter : public CounterTest {};

TEST_F(ReadCounter, TellsEverybodyOfAnyCounter) {
  client::CounterRead one = create("one "), two = create("two ");
  ASSERT_TRUE(ok(counters.increment(one.id, kCounterAuth)));
  EXPECT_EQ(counters.read(one.id).value.count, one.count + 1);
  EXPECT_EQ(counters.read(two.id).value.count, two.count);
  EXPECT_EQ(counters.read(two.id).value.label, client::bytes_of("two "));
}

class ReleaseCounter : public CounterTest {};

TEST_F(ReleaseCounter, LeavesNoneActiveAndNoneInItsPlace) {
  client::CounterRead one = create(), two = create();
  ASSERT_TRUE(ok(counters.increment(one.id, kCounterAuth)));
  ASSERT_TRUE(ok(counters.release(one.id, kCounterAuth)));
  EXPECT_TRUE(refused(counters.read(one.id), rc::BadCounter));
  EXPECT_EQ(counters.active(), kNone);
  EXPECT_TRUE(refused(counters.increment(two.id, kCounterAuth), rc::BadCounter)) << "not before the next start";
  restart();
  EXPECT_TRUE(ok(counters.increment(two.id, kCounterAuth)));
}

TEST_F(ReleaseCounter, EndsTheCountersSessions) {
  client::CounterRead one = create();
  Session* other = w.osap(client::kEtCounter, one.id, kCounterAuth);
  Session* session = w.osap(client::kEtCounter, one.id, kCounterAuth);
  client::Command release{.ordinal = 0xdf, .params = Out().u32(one.id), .proofs = {{.session = session, .keep = true}}};
  ASSERT_TRUE(ok(tpm.run(release)));
  EXPECT_FALSE(session->alive);
  EXPECT_TRUE(
      refused(tpm.run({.ordinal = 0xdf, .params = Out().u32(one.id), .proofs = {{.session = other}}}), rc::BadCounter));
  EXPECT_EQ(tpm.get_capability(0x14, Out().u32(2)).value, Bytes({0, 0})) << "no session is left";
}

TEST_F(ReleaseCounter, WantsTheCountersSecret) {
  client::CounterRead one = create();
  EXPECT_TRUE(refused(counters.release(one.id, kOwnerAuth), rc::AuthFail));
  EXPECT_TRUE(ok(counters.read(one.id)));
}

class ReleaseCounterOwner : public CounterTest {};

TEST_F(ReleaseCounterOwner, WantsTheOwner) {
  client::CounterRead one = create();
  EXPECT_TRUE(refused(counters.release_as_owner(one.id, kCounterAuth), rc::AuthFail));
  ASSERT_TRUE(ok(counters.increment(one.id, kCounterAuth)));
  ASSERT_TRUE(ok(counters.release_as_owner(one.id, kOwnerAuth)));
  EXPECT_TRUE(refused(counters.read(one.id), rc::BadCounter));
  EXPECT_EQ(counters.active(), kNone);
  EXPECT_TRUE(refused(counters.increment(create().id, kCounterAuth), rc::BadCounter));
}

class CountersOfAnOwner : public CounterTest {};

TEST_F(CountersOfAnOwner, GoWithTheOwnerButNeverBack) {
  client::CounterRead one = create();
  uint32_t last = counters.increment(one.id, kCounterAuth).value.count;
  ASSERT_TRUE(ok(tpm.run_oiap({.ordinal = 0x5b}, kOwnerAuth))) << "OwnerClear";
  EXPECT_EQ(handles(), Bytes({0, 0}));
  w.presence();
  World::must(tpm.run(0x6f), "PhysicalEnable");
  World::must(tpm.run(0x72, Out().u8(0)), "PhysicalSetDeactivated");
  restart();
  World::must(tpm.take_ownership(tpm.read_pubek().value, kOwnerAuth, kSrkAuth).reply, "TakeOwnership");
  EXPECT_GT(create().count, last);
}

}  // namespace world
