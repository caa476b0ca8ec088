// SPDX-License-Identifier: MIT
#include "tests/engine/tpm_test.h"

namespace world {

using client::bytes_of;
using client::kSrk;
using client::Reply;

class Deprecated : public OwnedTest {
 protected:
  Bytes loaded_keys() { return tpm.get_capability(7).value; }
  static Bytes handles(std::initializer_list<uint32_t> keys) {
    Out list;
    list.u16(static_cast<uint32_t>(keys.size()));
    for (uint32_t key : keys) list.u32(key);
    return list;
  }
};

// ---- TPM_EvictKey ----

class EvictKey : public Deprecated {
 protected:
  Reply evict(uint32_t key) { return tpm.run({.ordinal = 0x22, .handles = Out().u32(key)}); }
};

TEST_F(EvictKey, TakesOneKeyOut) {
  uint32_t one = w.load(w.keys().sign);
  uint32_t two = w.load(w.keys().sign);
  ASSERT_TRUE(ok(evict(one)));
  EXPECT_EQ(loaded_keys(), handles({two}));
  EXPECT_TRUE(refused(tpm.sign(one, kKeyAuth, Bytes(20)), rc::InvalidKeyHandle));
  EXPECT_TRUE(ok(tpm.sign(two, kKeyAuth, Bytes(20))));
}

TEST_F(EvictKey, EndsTheSessionsOfTheKey) {
  uint32_t key = w.load(w.keys().sign);
  uint32_t other = w.load(w.keys().bind);
  Session* of_key = w.osap_key(key);
  Session* of_other = w.osap_key(other);
  ASSERT_TRUE(ok(evict(key)));
  EXPECT_NE(tpm.flush(of_key->handle, 2).code, rc::Ok);
  EXPECT_TRUE(ok(tpm.flush(of_other->handle, 2)));
}

TEST_F(EvictKey, MakesRoom) {
  uint32_t last = 0;
  auto answer = tpm.load_key2(kSrk, kSrkAuth, w.keys().sign.encode());
  for (int n = 0; n < 200 && answer.ok(); n++) {
    last = answer.value.handle;
    answer = tpm.load_key2(kSrk, kSrkAuth, w.keys().sign.encode());
  }
  ASSERT_TRUE(refused(answer, rc::NoSpace));
  ASSERT_TRUE(ok(evict(last)));
  EXPECT_TRUE(ok(tpm.load_key2(kSrk, kSrkAuth, w.keys().sign.encode())));
}

TEST_F(EvictKey, RefusesWhatIsNoLoadedKey) {
  uint32_t key = w.load(w.keys().sign);
  ASSERT_TRUE(ok(evict(key)));
  for (uint32_t handle : {key, 0U, 0x123456U, w.oiap()->handle, client::kEk}) {
    EXPECT_TRUE(refused(evict(handle), rc::InvalidKeyHandle)) << handle;
  }
}

TEST_F(EvictKey, TheSrkStays) {
  EXPECT_NE(evict(kSrk).code, rc::Ok);
  EXPECT_TRUE(ok(tpm.seal(kSrk, kSrkAuth, bytes_of("x"), kDataAuth)));
}

// ---- TPM_Terminate_Handle ----

class TerminateHandle : public Deprecated {
 protected:
  Reply terminate(uint32_t session) { return tpm.run({.ordinal = 0x96, .handles = Out().u32(session)}); }
};

TEST_F(TerminateHandle, EndsOneSession) {
  Proof ended = w.by_owner();
  Proof other = w.by_owner();
  ASSERT_TRUE(ok(terminate(ended.session->handle)));
  EXPECT_TRUE(refused(tpm.run({.ordinal = 0x7d, .proofs = {ended}}), rc::InvalidAuthHandle));
  EXPECT_TRUE(ok(tpm.run({.ordinal = 0x7d, .proofs = {other}})));
}

TEST_F(TerminateHandle, EndsAnOsapSession) {
  Session* session = w.osap_srk();
  ASSERT_TRUE(ok(terminate(session->handle)));
  EXPECT_TRUE(refused(terminate(session->handle), rc::InvalidAuthHandle));
}

TEST_F(TerminateHandle, RefusesWhatIsNoSession) {
  EXPECT_TRUE(refused(terminate(0x123456), rc::InvalidAuthHandle));
  EXPECT_TRUE(refused(terminate(0), rc::InvalidAuthHandle));
  EXPECT_TRUE(refused(terminate(kSrk), rc::InvalidAuthHandle));
}

// ---- TPM_Reset ----

class Reset : public Deprecated {};

TEST_F(Reset, EndsAllSessionsAndNothingElse) {
  uint32_t key = w.load(w.keys().sign);
  ASSERT_TRUE(ok(tpm.extend(4, client::secret("event"))));
  Proof oiap = w.by_owner();
  Session* osap = w.osap_srk();
  Bytes before = w.fingerprint();
  ASSERT_TRUE(ok(tpm.run(0x5a)));
  EXPECT_TRUE(refused(tpm.run({.ordinal = 0x7d, .proofs = {oiap}}), rc::InvalidAuthHandle));
  EXPECT_NE(tpm.flush(osap->handle, 2).code, rc::Ok);
  EXPECT_EQ(w.fingerprint(), before) << "PCRs, keys, flags";
  EXPECT_TRUE(ok(tpm.sign(key, kKeyAuth, Bytes(20))));
}

TEST_F(Reset, IsNoStartup) {
  World made(Stage::Made);
  EXPECT_TRUE(refused(made.tpm.run(0x5a), rc::InvalidPostInit));
}

// ---- TPM_OwnerReadPubek and TPM_DisablePubekRead ----

class Pubek : public Deprecated {
 protected:
  bool readable() { return tpm.read_pubek().ok(); }
  // TPM_SetCapability of TPM_PERMANENT_FLAGS -> readPubek.
  Reply show(bool on) {
    return tpm.run_oiap({.ordinal = 0x3f, .params = Out().u32(1).sized(Out().u32(4)).sized({on})}, kOwnerAuth);
  }
};

TEST_F(Pubek, TheOwnerReadsTheKeyThatEverybodyCouldReadBefore) {
  World unowned(Stage::Started);
  auto ek = unowned.tpm.read_pubek();
  ASSERT_TRUE(ok(ek));
  Reply reply = tpm.run_oiap({.ordinal = 0x7d}, kOwnerAuth);
  ASSERT_TRUE(ok(reply));
  client::In in(reply.params);
  client::PubKey pub = client::PubKey::decode(in);
  EXPECT_TRUE(in.done());
  EXPECT_EQ(pub.modulus, ek.value.modulus);
  EXPECT_EQ(pub.encode(), ek.value.encode());
}

TEST_F(Pubek, OnlyTheOwner) {
  EXPECT_TRUE(refused(tpm.run_oiap({.ordinal = 0x7d}, kWrong), rc::AuthFail));
  EXPECT_TRUE(refused(tpm.run_oiap({.ordinal = 0x7e}, kWrong), rc::AuthFail));
}

TEST_F(Pubek, DisablingHidesItFromOthers) {
  ASSERT_TRUE(ok(show(true)));
  ASSERT_TRUE(readable());
  EXPECT_TRUE(refused(tpm.run_oiap({.ordinal = 0x7e}, kWrong), rc::AuthFail));
  EXPECT_TRUE(readable());
  ASSERT_TRUE(ok(tpm.run_oiap({.ordinal = 0x7e}, kOwnerAuth)));
  EXPECT_TRUE(refused(tpm.read_pubek(), rc::DisabledCmd));
  EXPECT_TRUE(ok(tpm.run_oiap({.ordinal = 0x7d}, kOwnerAuth))) << "the owner still reads it";
}

TEST_F(Pubek, StaysHiddenWithoutPower) {
  ASSERT_TRUE(ok(show(true)));
  ASSERT_TRUE(ok(tpm.run_oiap({.ordinal = 0x7e}, kOwnerAuth)));
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_TRUE(refused(tpm.read_pubek(), rc::DisabledCmd));
}

// ---- TPM_LoadKey ----

class LoadKey : public Deprecated {
 protected:
  client::Answer<client::Loaded> load(const Key& key) { return tpm.load_key(kSrk, kSrkAuth, key.encode()); }
};

TEST_F(LoadKey, LoadsAKeyThatWorks) {
  auto loaded = load(w.keys().sign);
  ASSERT_TRUE(ok(loaded));
  EXPECT_EQ(loaded_keys(), handles({loaded.value.handle}));
  auto signature = tpm.sign(loaded.value.handle, kKeyAuth, bytes_of(client::secret("area")));
  ASSERT_TRUE(ok(signature));
  EXPECT_TRUE(client::verify_sha1(w.keys().sign.pub(), client::secret("area"), signature.value));
}

TEST_F(LoadKey, LoadsUnderAChildKey) {
  uint32_t parent = w.load(w.keys().storage);
  auto child = tpm.create_wrap_key(parent, kKeyAuth, client::signing_key(), kDataAuth);
  ASSERT_TRUE(ok(child));
  auto loaded = tpm.load_key(parent, kKeyAuth, child.value.encode());
  ASSERT_TRUE(ok(loaded));
  EXPECT_TRUE(ok(tpm.sign(loaded.value.handle, kDataAuth, Bytes(20))));
  EXPECT_NE(load(child.value).code(), rc::Ok) << "under another parent";
}

TEST_F(LoadKey, RefusesATamperedKey) {
  for (auto change : std::initializer_list<void (*)(Key&)>{
           [](Key& key) { key.modulus[5] ^= 1; }, [](Key& key) { key.encrypted[5] ^= 1; },
           [](Key& key) { key.auth_usage = 0; }, [](Key& key) { key.usage = client::kLegacy; }}) {
    Key key = w.keys().sign;
    change(key);
    EXPECT_NE(load(key).code(), rc::Ok);
  }
  EXPECT_EQ(loaded_keys(), handles({}));
}

TEST_F(LoadKey, RefusesAParentThatDoesNotStore) {
  uint32_t parent = w.load(w.keys().sign);
  EXPECT_TRUE(refused(tpm.load_key(parent, kKeyAuth, w.keys().bind.encode()), rc::InvalidKeyUsage));
}

TEST_F(LoadKey, RefusesAWrongProofAndNoParent) {
  EXPECT_TRUE(refused(tpm.load_key(kSrk, kWrong, w.keys().sign.encode()), rc::AuthFail));
  EXPECT_TRUE(refused(tpm.load_key(0x123456, kSrkAuth, w.keys().sign.encode()), rc::InvalidKeyHandle));
}

TEST_F(LoadKey, WithoutAuthorisationOnlyUnderAnOpenParent) {
  EXPECT_TRUE(
      refused(tpm.run({.ordinal = 0x20, .handles = Out().u32(kSrk), .params = w.keys().sign.encode()}), rc::AuthFail));
}

TEST_F(LoadKey, SaysWhenThereIsNoRoom) {
  auto answer = load(w.keys().sign);
  for (int n = 0; n < 200 && answer.ok(); n++) answer = load(w.keys().sign);
  EXPECT_TRUE(refused(answer, rc::NoSpace));
}

}  // namespace world
