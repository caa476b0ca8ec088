// SPDX-License-Identifier: MIT
#include "tests/engine/delegation_client.h"
#include "tests/engine/tpm_test.h"

namespace world {

using client::Answer;
using client::Command;
using client::DelegatePublic;
using client::kSrk;
using client::Reply;

namespace {

constexpr uint32_t kFamilyCount = 64, kDelegateLock = 75, kDelegateFamily = 76;
// Permission bits of Part 2, 20.2.
constexpr uint32_t kOwnerReadPubek = 1U << 9, kDelegateManage = 1U << 2, kCreateOwnerDelegation = 1U << 1,
                   kLoadOwnerDelegation = 1U << 24, kUpdateVerification = 1U << 5, kOwnerClear = 1U << 16;
constexpr uint32_t kKeySign = 1U << 14, kKeyGetPubKey = 1U << 5, kCreateKeyDelegation = 1U << 7;
const Digest kLent = client::secret("lent");

Command read_pubek() { return {.ordinal = 0x7d}; }

}  // namespace

class Delegation : public OwnedTest {
 protected:
  uint32_t family_from(const Reply& made) {
    World::must(made, "Delegate_Manage");
    client::In in(made.params);
    EXPECT_EQ(in.u32(), 4U);
    return in.u32();
  }
  uint32_t family(bool enabled = true) {
    uint32_t id = family_from(by_owner(client::manage(0, client::kFamilyCreate, {'f'})));
    if (enabled) enable(id, true);
    return id;
  }
  void enable(uint32_t id, bool on) {
    ASSERT_TRUE(ok(by_owner(client::manage(id, client::kFamilyEnable, {static_cast<uint8_t>(on)}))));
  }
  Reply by_owner(Command command, const Digest& secret = kOwnerAuth) { return tpm.run_oiap(command, secret); }
  Reply by(Session* session, Command command, bool keep = true) {
    command.proofs = {{.session = session, .keep = keep}};
    return tpm.run(command);
  }

  Reply try_owner_blob(const DelegatePublic& pub, bool increment = false, Session* session = nullptr) {
    if (session == nullptr) session = w.osap(client::kEtOwner, client::kOwner, kOwnerAuth);
    return by(session, client::create_owner_delegation(pub, increment, *session, kLent));
  }
  Bytes owner_blob(const DelegatePublic& pub, bool increment = false) {
    Reply made = try_owner_blob(pub, increment);
    World::must(made, "Delegate_CreateOwnerDelegation");
    return client::In(made.params).sized();
  }
  Reply try_key_blob(uint32_t key, const DelegatePublic& pub) {
    Session* session = w.osap_key(key);
    return by(session, client::create_key_delegation(key, pub, *session, kLent));
  }
  Bytes key_blob(uint32_t key, const DelegatePublic& pub) {
    Reply made = try_key_blob(key, pub);
    World::must(made, "Delegate_CreateKeyDelegation");
    return client::In(made.params).sized();
  }
  Answer<Session> owners_dsap(const Bytes& blob, const Digest& secret = kLent) {
    return client::dsap(tpm, client::kEtDelOwnerBlob, 0, blob, secret);
  }
  Answer<Session> keys_dsap(uint32_t key, const Bytes& blob) {
    return client::dsap(tpm, client::kEtDelKeyBlob, key, blob, kLent);
  }
  Session* must_dsap(const Bytes& blob) {
    auto session = owners_dsap(blob);
    World::must(session.reply, "DSAP");
    return w.keep(session.value);
  }
  void load_row(uint32_t row, const Bytes& blob) {
    World::must(by_owner(client::load_owner_delegation(row, blob)), "Delegate_LoadOwnerDelegation");
  }
  Reply set_owner_pointer(uint16_t type, uint32_t value) { return tpm.run(0x75, Out().u16(type).u32(value)); }
  Command sign(uint32_t key) {
    return {.ordinal = 0x3c, .handles = Out().u32(key), .params = Out().sized(Bytes(20, 's'))};
  }
};

TEST_F(Delegation, FamiliesAreNumberedAndListed) {
  uint32_t first = family(), second = family(false);
  EXPECT_EQ(second, first + 1);
  Reply table = tpm.run(0xdb);
  ASSERT_TRUE(ok(table));
  client::In in(table.params);
  client::In families(in.sized());
  for (uint32_t id : {first, second}) {
    EXPECT_EQ(families.u16(), 0x25U);
    EXPECT_EQ(families.u8(), 'f');
    EXPECT_EQ(families.u32(), id);
    EXPECT_EQ(families.u32(), 1U) << "verificationCount";
    EXPECT_EQ(families.u32(), id == first ? 1U : 0U) << "flags";
  }
  EXPECT_TRUE(families.done());
  EXPECT_TRUE(in.sized().empty());
  EXPECT_TRUE(in.done());
}

TEST_F(Delegation, ThereAreEightFamiliesAndThenNoMore) {
  for (int i = 0; i < 8; i++) family(false);
  EXPECT_TRUE(refused(by_owner(client::manage(0, client::kFamilyCreate, {'f'})), rc::Resources));
}

TEST_F(Delegation, ManageRefusesWhatItsClauseSays) {
  uint32_t id = family();
  EXPECT_TRUE(refused(by_owner(client::manage(id + 1, client::kFamilyEnable, {1})), rc::BadIndex));
  EXPECT_TRUE(refused(by_owner(client::manage(0, client::kFamilyCreate, {1, 2})), rc::BadParamSize));
  EXPECT_TRUE(refused(by_owner(client::manage(id, client::kFamilyEnable, {})), rc::BadParamSize));
  EXPECT_TRUE(refused(by_owner(client::manage(id, client::kFamilyAdmin, {1, 1})), rc::BadParamSize));
  EXPECT_TRUE(refused(by_owner(client::manage(id, 9, {1})), rc::BadParameter));
  EXPECT_TRUE(refused(tpm.run(client::manage(id, client::kFamilyEnable, {1})), rc::AuthFail)) << "owned, no proof";
}

TEST_F(Delegation, AnInvalidatedFamilyIsGone) {
  uint32_t id = family();
  Bytes blob = owner_blob({.per1 = kOwnerReadPubek, .family = id});
  ASSERT_TRUE(ok(by_owner(client::manage(id, client::kFamilyInvalidate, {}))));
  EXPECT_TRUE(refused(owners_dsap(blob), rc::BadIndex));
  EXPECT_GT(family(), id) << "its number is not given again";
}

TEST_F(Delegation, AnOwnersBlobLendsItsCommandsAndNoOthers) {
  Session* session = must_dsap(owner_blob({.per1 = kOwnerReadPubek, .family = family()}));
  EXPECT_TRUE(ok(by(session, read_pubek())));
  EXPECT_TRUE(ok(by(session, read_pubek())));
  EXPECT_TRUE(refused(by(session, {.ordinal = 0x81, .params = Out().u32(kSrk)}), rc::AuthFail));
  EXPECT_TRUE(refused(by(session, read_pubek()), rc::InvalidAuthHandle)) << "the refusal ended it";
}

TEST_F(Delegation, AWrongSecretProvesNothing) {
  auto session = owners_dsap(owner_blob({.per1 = kOwnerReadPubek, .family = family()}), kWrong);
  ASSERT_TRUE(ok(session));
  EXPECT_TRUE(refused(by(&session.value, read_pubek()), rc::AuthFail));
}

TEST_F(Delegation, ADelegateOfTheOwnerIsNoUserOfKeys) {
  Session* session = must_dsap(owner_blob({.per1 = 0xffffffff, .family = family()}));
  EXPECT_TRUE(refused(by(session, sign(w.load(w.keys().sign))), rc::AuthFail));
}

TEST_F(Delegation, PcrsAndLocalityLimitIt) {
  Bytes selection = client::pcr_selection({10});
  DelegatePublic pub{.selection = selection,
                     .at_release = client::composite(selection, {Digest{}}),
                     .per1 = kOwnerReadPubek,
                     .family = family()};
  Bytes blob = owner_blob(pub);
  EXPECT_TRUE(ok(by(must_dsap(blob), read_pubek())));
  Session* session = must_dsap(blob);
  ASSERT_TRUE(ok(tpm.extend(10, client::secret("event"))));
  EXPECT_TRUE(refused(by(session, read_pubek()), rc::WrongPcrVal));

  Session* elsewhere = must_dsap(owner_blob({.locality = 0x02, .per1 = kOwnerReadPubek, .family = pub.family}));
  EXPECT_TRUE(refused(by(elsewhere, read_pubek()), rc::BadLocality));
}

TEST_F(Delegation, AKeysBlobLendsItsCommandsOnly) {
  uint32_t key = w.load(w.keys().sign), id = family();
  Bytes blob = key_blob(key, {.type = client::kKeyBits, .per1 = kKeySign, .family = id});
  auto session = keys_dsap(key, blob);
  ASSERT_TRUE(ok(session));
  EXPECT_TRUE(ok(by(&session.value, sign(key))));
  EXPECT_TRUE(refused(by(&session.value, {.ordinal = 0x21, .handles = Out().u32(key)}), rc::AuthFail));
  EXPECT_TRUE(refused(keys_dsap(w.load(w.keys().bind), blob), rc::KeyNotFound));
  EXPECT_TRUE(refused(keys_dsap(0x123456, blob), rc::InvalidKeyHandle));
}

TEST_F(Delegation, ADsapSessionEndsWithItsKey) {
  uint32_t key = w.load(w.keys().sign);
  Bytes blob = key_blob(key, {.type = client::kKeyBits, .per1 = kKeySign, .family = family()});
  auto session = keys_dsap(key, blob);
  ASSERT_TRUE(ok(session));
  ASSERT_TRUE(ok(tpm.flush(key, 1)));
  EXPECT_TRUE(refused(by(&session.value, sign(w.load(w.keys().sign))), rc::InvalidAuthHandle));
}

TEST_F(Delegation, ATamperedBlobIsRefused) {
  uint32_t id = family();
  Bytes blob = owner_blob({.per1 = kOwnerReadPubek, .family = id});
  for (size_t at = 0; at < blob.size(); at++) {
    Bytes bad = blob;
    bad[at] ^= 1;
    EXPECT_NE(owners_dsap(bad).code(), rc::Ok) << at;
    EXPECT_NE(tpm.run(0xd6, Out().sized(bad)).code, rc::Ok) << at;
    EXPECT_NE(by_owner(client::load_owner_delegation(0, bad)).code, rc::Ok) << at;
  }
  Bytes wider = blob;
  wider[2 + 1 + 5 + 1 + 20 + 2 + 4] ^= 0x80;  // per1
  EXPECT_TRUE(refused(owners_dsap(wider), rc::AuthFail));
}

TEST_F(Delegation, DsapRefusesWhatItDoesNotKnow) {
  uint32_t id = family();
  Bytes blob = owner_blob({.per1 = kOwnerReadPubek, .family = id});
  EXPECT_TRUE(refused(client::dsap(tpm, 0x0099, 0, blob, kLent), rc::BadParameter));
  EXPECT_TRUE(refused(client::dsap(tpm, client::kEtDelKeyBlob, kSrk, blob, kLent), rc::WrongEntityType));
  EXPECT_TRUE(refused(client::dsap(tpm, client::kEtDelRow, 0, Out().u32(0), kLent), rc::BadIndex));
  EXPECT_TRUE(refused(client::dsap(tpm, client::kEtDelRow, 0, Out().u32(99), kLent), rc::BadIndex));
  enable(id, false);
  EXPECT_TRUE(refused(owners_dsap(blob), rc::DisabledCmd));
}

TEST_F(Delegation, CountingUpMakesOldBlobsVoid) {
  uint32_t id = family();
  Bytes old = owner_blob({.per1 = kOwnerReadPubek, .family = id});
  Session* session = must_dsap(old);
  Bytes fresh = owner_blob({.per1 = kOwnerReadPubek, .family = id}, true);
  EXPECT_TRUE(refused(by(session, read_pubek()), rc::InvalidAuthHandle));
  EXPECT_TRUE(refused(owners_dsap(old), kFamilyCount));
  EXPECT_TRUE(refused(tpm.run(0xd6, Out().sized(old)), kFamilyCount));
  EXPECT_TRUE(ok(by(must_dsap(fresh), read_pubek())));

  Reply updated = by_owner({.ordinal = 0xd1, .params = Out().sized(old)});
  ASSERT_TRUE(ok(updated));
  EXPECT_TRUE(ok(by(must_dsap(client::In(updated.params).sized()), read_pubek())));
}

TEST_F(Delegation, ManagingEndsWhatWasLent) {
  uint32_t id = family();
  Session* session = must_dsap(owner_blob({.per1 = kOwnerReadPubek, .family = id}));
  Session* owners = w.osap(client::kEtOwner, client::kOwner, kOwnerAuth);
  family();
  EXPECT_TRUE(refused(by(session, read_pubek()), rc::InvalidAuthHandle));
  EXPECT_TRUE(ok(by(owners, read_pubek()))) << "that of the owner itself is not touched";
}

TEST_F(Delegation, ADelegateManagesItsOwnFamilyOnly) {
  uint32_t own = family(), other = family();
  Bytes blob = owner_blob({.per1 = kDelegateManage, .family = own});
  EXPECT_TRUE(refused(by(must_dsap(blob), client::manage(other, client::kFamilyEnable, {0})), kDelegateFamily));
  Session* session = must_dsap(blob);
  EXPECT_TRUE(ok(by(session, client::manage(own, client::kFamilyEnable, {0}))));
  EXPECT_FALSE(session->alive);
}

TEST_F(Delegation, ADelegatePassesOnNoMoreThanItHas) {
  uint32_t id = family();
  Bytes blob = owner_blob({.per1 = kCreateOwnerDelegation | kOwnerReadPubek, .family = id});
  Session* session = must_dsap(blob);
  EXPECT_TRUE(refused(try_owner_blob({.per1 = kOwnerClear, .family = id}, false, session), rc::AuthFail));
  session = must_dsap(blob);
  EXPECT_TRUE(
      refused(try_owner_blob({.per1 = kOwnerReadPubek, .family = family()}, false, session), rc::InvalidAuthHandle));
  session = must_dsap(blob);
  Reply passed_on = try_owner_blob({.per1 = kOwnerReadPubek, .family = id}, false, session);
  ASSERT_TRUE(ok(passed_on));
  EXPECT_TRUE(ok(by(must_dsap(client::In(passed_on.params).sized()), read_pubek())));
}

TEST_F(Delegation, MakingOneRefusesWhatItsClauseSays) {
  uint32_t id = family(), key = w.load(w.keys().sign);
  EXPECT_TRUE(refused(try_owner_blob({.per1 = 1, .family = id + 1}), rc::BadIndex));
  EXPECT_TRUE(refused(try_owner_blob({.type = client::kKeyBits, .per1 = 1, .family = id}), rc::BadParameter));
  EXPECT_TRUE(refused(try_key_blob(key, {.type = client::kOwnerBits, .per1 = 1, .family = id}), rc::BadParameter));
  EXPECT_TRUE(refused(try_owner_blob({.per1 = 1, .per2 = 1, .family = id}), rc::BadParameter));
  EXPECT_TRUE(
      refused(try_key_blob(key, {.type = client::kKeyBits, .per1 = 1, .per2 = 1, .family = id}), rc::BadParameter));
  EXPECT_TRUE(refused(try_key_blob(key, {.type = client::kKeyBits, .per1 = 1U << 29, .family = id}), rc::BadParameter));
  EXPECT_TRUE(refused(try_key_blob(key, {.type = client::kKeyBits, .per1 = 1, .family = id + 1}), rc::BadIndex));
  Session oiap = tpm.oiap().value;
  Command command = client::create_owner_delegation({.per1 = 1, .family = id}, false, oiap, kLent);
  command.proofs = {{.session = &oiap, .secret = kOwnerAuth}};
  EXPECT_TRUE(refused(tpm.run(command), rc::InvalidAuthHandle));
}

TEST_F(Delegation, AKeysDelegatePassesOnWithCreateKeyDelegation) {
  uint32_t id = family(), key = w.load(w.keys().sign);
  auto session =
      keys_dsap(key, key_blob(key, {.type = client::kKeyBits, .per1 = kCreateKeyDelegation | kKeySign, .family = id}));
  ASSERT_TRUE(ok(session));
  Command wider = client::create_key_delegation(key, {.type = client::kKeyBits, .per1 = kKeyGetPubKey, .family = id},
                                                session.value, kLent);
  EXPECT_TRUE(refused(by(&session.value, wider), rc::AuthFail));
}

TEST_F(Delegation, ARowStandsForTheOwner) {
  uint32_t id = family();
  load_row(1, owner_blob({.per1 = kOwnerReadPubek, .family = id}));
  auto session = client::dsap(tpm, client::kEtDelRow, 0, Out().u32(1), kLent);
  ASSERT_TRUE(ok(session));
  EXPECT_TRUE(ok(by(&session.value, read_pubek())));

  Reply table = tpm.run(0xdb);
  client::In in(table.params);
  in.sized();
  client::In rows(in.sized());
  EXPECT_EQ(rows.u32(), 1U);
  Bytes pub = DelegatePublic{.per1 = kOwnerReadPubek, .family = id, .count = 1}.encode();
  EXPECT_EQ(rows.raw(pub.size()), pub);
  EXPECT_TRUE(rows.done());
}

TEST_F(Delegation, TheOwnerPointerMakesARowTheOwner) {
  uint32_t id = family();
  load_row(1, owner_blob({.per1 = kOwnerReadPubek, .family = id}));
  ASSERT_TRUE(ok(set_owner_pointer(client::kEtDelRow, 1)));
  EXPECT_TRUE(ok(by_owner(read_pubek(), kLent)));
  EXPECT_TRUE(refused(by_owner(read_pubek(), kOwnerAuth), rc::AuthFail));
  EXPECT_TRUE(refused(by_owner({.ordinal = 0x81, .params = Out().u32(kSrk)}, kLent), rc::AuthFail));
  Session* osap = w.osap(client::kEtOwner, client::kOwner, kLent);
  EXPECT_TRUE(ok(by(osap, read_pubek())));

  ASSERT_TRUE(ok(set_owner_pointer(client::kEtOwner, 0)));
  EXPECT_TRUE(ok(by_owner(read_pubek(), kOwnerAuth)));
}

TEST_F(Delegation, TheOwnerPointerGoesBackWhenTheTableChanges) {
  uint32_t id = family();
  load_row(1, owner_blob({.per1 = kOwnerReadPubek | kDelegateManage, .family = id}));
  ASSERT_TRUE(ok(set_owner_pointer(client::kEtDelRow, 1)));
  ASSERT_TRUE(ok(by_owner(client::manage(id, client::kFamilyAdmin, {0}), kLent)));
  EXPECT_TRUE(ok(by_owner(read_pubek(), kOwnerAuth)));
}

TEST_F(Delegation, TheOwnerPointerRefusesWhatIsNoRow) {
  EXPECT_TRUE(refused(set_owner_pointer(client::kEtDelRow, 0), rc::BadIndex));
  EXPECT_TRUE(refused(set_owner_pointer(0x77, 0), rc::BadParameter));
  EXPECT_TRUE(refused(set_owner_pointer(0x0600 | client::kEtOwner, 0), rc::BadParameter));
  uint32_t id = family();
  load_row(0, owner_blob({.per1 = kOwnerReadPubek, .family = id}));
  owner_blob({.per1 = kOwnerReadPubek, .family = id}, true);
  EXPECT_TRUE(refused(set_owner_pointer(client::kEtDelRow, 0), kFamilyCount));
  ASSERT_TRUE(ok(by_owner({.ordinal = 0xd1, .params = Out().sized(Out().u32(0))})));
  EXPECT_TRUE(ok(set_owner_pointer(client::kEtDelRow, 0)));
  ASSERT_TRUE(ok(set_owner_pointer(client::kEtOwner, 0)));
  enable(id, false);
  EXPECT_TRUE(refused(set_owner_pointer(client::kEtDelRow, 0), rc::DisabledCmd));
}

TEST_F(Delegation, LoadingRefusesWhatItsClauseSays) {
  uint32_t id = family();
  Bytes blob = owner_blob({.per1 = kLoadOwnerDelegation, .family = id});
  EXPECT_TRUE(refused(tpm.run(client::load_owner_delegation(0, blob)), rc::AuthFail));
  EXPECT_TRUE(refused(by_owner(client::load_owner_delegation(99, blob)), rc::BadIndex));
  uint32_t other = family();
  Bytes others = owner_blob({.per1 = kOwnerReadPubek, .family = other});
  EXPECT_TRUE(refused(by(must_dsap(blob), client::load_owner_delegation(0, others)), kDelegateFamily));
  enable(id, false);
  EXPECT_TRUE(refused(by_owner(client::load_owner_delegation(0, blob)), rc::DisabledCmd));
}

TEST_F(Delegation, UpdatingRefusesWhatItsClauseSays) {
  uint32_t id = family(), other = family();
  Bytes blob = owner_blob({.per1 = kUpdateVerification, .family = id});
  Bytes others = owner_blob({.per1 = kOwnerReadPubek, .family = other});
  auto update = [](const Bytes& input) { return Command{.ordinal = 0xd1, .params = Out().sized(input)}; };
  EXPECT_TRUE(refused(by(must_dsap(blob), update(others)), kDelegateFamily));
  EXPECT_TRUE(refused(by_owner(update(Out().u16(0x1234).raw(Bytes(40)))), rc::BadParameter));
  EXPECT_TRUE(refused(by_owner(update(Out().u32(3))), rc::BadIndex));
  EXPECT_TRUE(ok(by(must_dsap(blob), update(blob))));
}

TEST_F(Delegation, VerifyingSaysWhatIsWrong) {
  uint32_t id = family();
  Bytes blob = owner_blob({.per1 = kOwnerReadPubek, .family = id});
  EXPECT_TRUE(ok(tpm.run(0xd6, Out().sized(blob))));
  EXPECT_TRUE(refused(tpm.run(0xd6, Out().sized(Out().u16(1).raw(Bytes(60)))), rc::BadParameter));
  Bytes bad = blob;
  bad.back() ^= 1;
  EXPECT_TRUE(refused(tpm.run(0xd6, Out().sized(bad)), rc::AuthFail));
  enable(id, false);
  EXPECT_TRUE(refused(tpm.run(0xd6, Out().sized(blob)), rc::DisabledCmd));
}

TEST_F(Delegation, LivesThroughALossOfPower) {
  uint32_t id = family();
  Bytes blob = owner_blob({.per1 = kOwnerReadPubek, .family = id});
  load_row(1, blob);
  ASSERT_TRUE(ok(set_owner_pointer(client::kEtDelRow, 1)));
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_TRUE(ok(by_owner(read_pubek(), kOwnerAuth))) << "the pointer does not";
  EXPECT_TRUE(ok(set_owner_pointer(client::kEtDelRow, 1)));
  EXPECT_TRUE(ok(by_owner(read_pubek(), kLent)));
  EXPECT_TRUE(ok(by(must_dsap(blob), {.ordinal = 0x7d})));
}

TEST_F(Delegation, GoesWithTheOwner) {
  uint32_t id = family();
  load_row(1, owner_blob({.per1 = kOwnerReadPubek, .family = id}));
  ASSERT_TRUE(ok(by_owner({.ordinal = 0x5b})));
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  w.presence();
  ASSERT_TRUE(ok(tpm.run(0x6f)));
  Reply table = tpm.run(0xdb);
  EXPECT_TRUE(table.code == rc::Deactivated);
}

// Without an owner.

class UnownedDelegation : public StartedTest {
 protected:
  uint32_t family(bool enabled = true) {
    Reply made = tpm.run(client::manage(0, client::kFamilyCreate, {'f'}));
    World::must(made, "Delegate_Manage");
    client::In in(made.params);
    in.u32();
    uint32_t id = in.u32();
    if (enabled) World::must(tpm.run(client::manage(id, client::kFamilyEnable, {1})), "Delegate_Manage");
    return id;
  }
};

TEST_F(UnownedDelegation, AnybodyFillsTheTables) {
  uint32_t id = family();
  Bytes blob = client::plain_owner_blob({.per1 = kOwnerReadPubek, .family = id, .count = 1}, kLent);
  ASSERT_TRUE(ok(tpm.run(client::load_owner_delegation(0, blob))));
  auto ek = tpm.read_pubek();
  ASSERT_TRUE(ok(tpm.take_ownership(ek.value, kOwnerAuth, kSrkAuth)));
  auto session = client::dsap(tpm, client::kEtDelRow, 0, Out().u32(0), kLent);
  ASSERT_TRUE(ok(session));
  EXPECT_TRUE(ok(tpm.run({.ordinal = 0x7d, .proofs = {{.session = &session.value}}})));
}

TEST_F(UnownedDelegation, ALockedFamilyIsLeftAlone) {
  uint32_t id = family();
  ASSERT_TRUE(ok(tpm.run(client::manage(id, client::kFamilyAdmin, {1}))));
  EXPECT_TRUE(refused(tpm.run(client::manage(id, client::kFamilyEnable, {0})), kDelegateLock));
  Bytes blob = client::plain_owner_blob({.per1 = kOwnerReadPubek, .family = id, .count = 1}, kLent);
  EXPECT_TRUE(refused(tpm.run(client::load_owner_delegation(0, blob)), kDelegateLock));
}

TEST_F(UnownedDelegation, TheMemoryIsWrittenSixtyFourTimes) {
  uint32_t id = family();  // two writes
  for (int i = 2; i < 64; i++) ASSERT_TRUE(ok(tpm.run(client::manage(id, client::kFamilyEnable, {1})))) << i;
  EXPECT_TRUE(refused(tpm.run(client::manage(id, client::kFamilyEnable, {1})), 72U));
}

}  // namespace world
