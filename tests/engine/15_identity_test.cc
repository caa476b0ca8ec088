// SPDX-License-Identifier: MIT
#include "tests/engine/tpm_test.h"

namespace world {

using client::bytes_of;
using client::Reply;

// What TPM_IDENTITY_CONTENTS and the certification authority say of a key.
client::PubKey pubkey(const Key& key) { return {.parms = key.parms, .modulus = key.modulus}; }

// ---- TPM_MakeIdentity ----

class MakeIdentity : public OwnedTest {
 protected:
  client::Answer<client::Identity> make(const Key& key) {
    return tpm.make_identity(kOwnerAuth, kSrkAuth, kKeyAuth, label, key);
  }
  // With proofs of the caller's; the last is the owner's.
  Reply make(const std::vector<Proof>& proofs) {
    Out params;
    params.raw(client::hide_even(*proofs.back().session, kKeyAuth)).raw(label).raw(client::identity_key().encode());
    return tpm.run({.ordinal = 0x79, .params = params, .proofs = proofs});
  }
  Session* by_owner(const Digest& auth = kOwnerAuth) { return w.osap(client::kEtOwner, client::kOwner, auth); }
  const Digest label = client::secret("label");
};

TEST_F(MakeIdentity, MakesAKeyThatSignsItsOwnBinding) {
  auto identity = make(client::identity_key());
  ASSERT_TRUE(ok(identity));
  const Key& key = identity.value.key;
  EXPECT_EQ(key.usage, client::kIdentity);
  EXPECT_EQ(key.flags, 0U);
  EXPECT_EQ(key.modulus.size(), 256U);
  EXPECT_EQ(key.encrypted.size(), 256U);
  Bytes contents = Out().u32(0x01010000).u32(0x79).raw(label).raw(pubkey(key).encode());
  EXPECT_TRUE(client::verify_sha1(key.pub(), client::sha1(contents), identity.value.binding));  // 16-17
}

TEST_F(MakeIdentity, TheKeyLoadsAndQuotes) {
  auto identity = make(client::identity_key());
  ASSERT_TRUE(ok(identity));
  uint32_t key = w.load(identity.value.key);
  Digest external = client::secret("external");
  auto quoted = tpm.quote(key, kKeyAuth, external, client::pcr_selection({0}));
  ASSERT_TRUE(ok(quoted));
  Bytes info = Out().u32(0x01010000).raw(bytes_of("QUOT")).raw(client::sha1(quoted.value.composite)).raw(external);
  EXPECT_TRUE(client::verify_sha1(identity.value.key.pub(), client::sha1(info), quoted.value.signature));
  EXPECT_TRUE(refused(tpm.quote(key, kWrong, external, client::pcr_selection({0})), rc::AuthFail));
}

TEST_F(MakeIdentity, EachIsAnother) {
  auto one = make(client::identity_key());
  auto two = make(client::identity_key());
  ASSERT_TRUE(ok(one));
  ASSERT_TRUE(ok(two));
  EXPECT_NE(one.value.key.modulus, two.value.key.modulus);
}

TEST_F(MakeIdentity, MakesKeysOfVersion12BoundToPcrs) {
  Bytes selection = client::pcr_selection({8});
  Digest now = client::composite(selection, {Digest{}});
  Key wanted = client::identity_key();
  wanted.key12 = true;
  wanted.pcr_info = client::pcr_info_long(selection, selection, now, 0x1f);
  tpm.locality = 2;
  auto identity = make(wanted);
  ASSERT_TRUE(ok(identity));
  EXPECT_TRUE(identity.value.key.key12);
  EXPECT_EQ(identity.value.key.pcr_info,
            client::pcr_info_long(selection, selection, now, 0x1f, 1U << 2, now));  // 9, 9.a
  uint32_t key = w.load(identity.value.key);
  EXPECT_TRUE(ok(tpm.quote(key, kKeyAuth, Digest{}, selection)));
  ASSERT_TRUE(ok(tpm.extend(8, client::secret("event"))));
  EXPECT_TRUE(refused(tpm.quote(key, kKeyAuth, Digest{}, selection), rc::WrongPcrVal));
}

TEST_F(MakeIdentity, EndsBothSessions) {  // 7
  Proof by_srk = w.by_srk(true);
  Proof owner{.session = by_owner(), .keep = true};
  ASSERT_TRUE(ok(make({by_srk, owner})));
  EXPECT_FALSE(by_srk.session->alive);
  EXPECT_FALSE(owner.session->alive);
  EXPECT_NE(tpm.flush(by_srk.session->handle, 2).code, rc::Ok);
  EXPECT_NE(tpm.flush(owner.session->handle, 2).code, rc::Ok);
}

TEST_F(MakeIdentity, RefusesKeysOfAnotherKind) {
  Key key = client::identity_key();
  key.parms.bits = 1024;
  EXPECT_TRUE(refused(make(key), rc::BadKeyProperty));  // 1.a
  key = client::identity_key();
  key.parms.sig_scheme = client::kSsDer;
  EXPECT_TRUE(refused(make(key), rc::BadKeyProperty));  // 1.a
  key = client::identity_key();
  key.parms.enc_scheme = client::kEsOaep;
  EXPECT_TRUE(refused(make(key), rc::BadKeyProperty));
  key = client::identity_key();
  key.parms.algorithm = 6;
  EXPECT_TRUE(refused(make(key), rc::BadKeyProperty));  // 1.c
}

TEST_F(MakeIdentity, RefusesOtherUsages) {
  EXPECT_TRUE(refused(make(client::signing_key(2048)), rc::InvalidKeyUsage));  // 4
  EXPECT_TRUE(refused(make(client::storage_key()), rc::InvalidKeyUsage));      // 4
}

TEST_F(MakeIdentity, RefusesAMigratableIdentity) {
  Key key = client::identity_key();
  key.flags = client::kMigratable;
  EXPECT_TRUE(refused(make(key), rc::InvalidKeyUsage));  // 5
}

TEST_F(MakeIdentity, RefusesWrongProofs) {
  EXPECT_TRUE(refused(make({w.by_srk(), {.session = by_owner(kWrong)}}), rc::Auth2Fail));                        // 2
  EXPECT_TRUE(refused(make({{.session = w.oiap(), .secret = kWrong}, {.session = by_owner()}}), rc::AuthFail));  // 3
}

TEST_F(MakeIdentity, TheSrkMustAgreeUnlessItAsksForNoProof) {
  EXPECT_TRUE(refused(make(std::vector<Proof>{{.session = by_owner()}}), rc::AuthFail));  // 3
}

TEST_F(MakeIdentity, TheOwnersSessionMustHideTheSecret) {
  EXPECT_NE(make({w.by_srk(), w.by_owner()}).code, rc::Ok);  // 6: OIAP has no shared secret
}

TEST_F(MakeIdentity, AnOpenSrkNeedsTheOwnerOnly) {
  World fresh(Stage::Started);
  Key srk = client::srk_template();
  srk.auth_usage = 0;
  ASSERT_TRUE(ok(fresh.tpm.take_ownership(fresh.tpm.read_pubek().value, kOwnerAuth, kSrkAuth, srk)));
  Session* owner = fresh.osap(client::kEtOwner, client::kOwner, kOwnerAuth);
  Out params;
  params.raw(client::hide_even(*owner, kKeyAuth)).raw(label).raw(client::identity_key().encode());
  Reply reply = fresh.tpm.run({.ordinal = 0x79, .params = params, .proofs = {{.session = owner, .keep = true}}});
  ASSERT_TRUE(ok(reply));
  EXPECT_FALSE(owner->alive);
}

// ---- TPM_ActivateIdentity ----

class ActivateIdentity : public OwnedTest {
 protected:
  ActivateIdentity() : identity(w.keys().identity), key(w.load(identity)) {
    Reply reply = tpm.run_oiap({.ordinal = 0x7d}, kOwnerAuth);
    World::must(reply, "OwnerReadPubek");
    client::In in(reply.params);
    ek = client::PubKey::decode(in).pub();
  }
  Reply activate(const Bytes& blob, const std::vector<Proof>& proofs) { return activate(key, blob, proofs); }
  Reply activate(uint32_t handle, const Bytes& blob, const std::vector<Proof>& proofs) {
    return tpm.run({.ordinal = 0x7a, .handles = Out().u32(handle), .params = Out().sized(blob), .proofs = proofs});
  }
  // The plaintext, encrypted as an authority does it.
  Reply activate(const Bytes& plain) { return activate(client::oaep_tcpa(ek, plain), {w.by_key(), w.by_owner()}); }
  Bytes contents(const Digest& digest) { return Out().raw(symmetric).raw(digest); }
  Bytes contents() { return contents(id_digest()); }
  Bytes ek_blob(const Digest& digest, const Bytes& pcr_info, uint16_t type = 1, uint16_t inner_tag = 0x2b) {
    Bytes inner = Out().u16(inner_tag).raw(symmetric).raw(digest).raw(pcr_info);
    return Out().u16(0x0c).u16(type).sized(inner);
  }
  static Bytes info_short(const Bytes& selection, uint8_t localities, const Digest& at_release) {
    return Out().raw(selection).u8(localities).raw(at_release);
  }
  Digest id_digest() const { return client::sha1(pubkey(identity).encode()); }

  const Key identity;
  uint32_t key;
  client::RsaPublic ek;
  const Bytes symmetric = Out().u32(6).u16(4).u16(16).raw(bytes_of("0123456789abcdef"));  // AES-128, CTR
  const Bytes anywhere = info_short(client::pcr_selection({}), 0x1f, Digest{});
};

TEST_F(ActivateIdentity, GivesTheSessionKeyOfTheAuthority) {
  Reply reply = activate(contents());
  ASSERT_TRUE(ok(reply));
  EXPECT_EQ(reply.params, symmetric);
}

TEST_F(ActivateIdentity, KnowsTheBlobOfVersion12) {
  Reply reply = activate(ek_blob(id_digest(), anywhere));
  ASSERT_TRUE(ok(reply));
  EXPECT_EQ(reply.params, symmetric);
}

TEST_F(ActivateIdentity, RefusesWrongProofs) {
  Bytes blob = client::oaep_tcpa(ek, contents());
  Proof wrong{.session = w.oiap(), .secret = kWrong};
  EXPECT_TRUE(refused(activate(blob, {w.by_key(), wrong}), rc::Auth2Fail));  // 1
  wrong.session = w.oiap();
  EXPECT_TRUE(refused(activate(blob, {wrong, w.by_owner()}), rc::AuthFail));  // 2
}

TEST_F(ActivateIdentity, TheOwnerAloneOnlyForAnIdentityThatAsksForNoProof) {
  Bytes blob = client::oaep_tcpa(ek, contents());
  EXPECT_TRUE(refused(activate(blob, {w.by_owner()}), rc::AuthFail));
  Key wanted = client::identity_key();
  wanted.auth_usage = 0;
  auto open = tpm.make_identity(kOwnerAuth, kSrkAuth, kKeyAuth, Digest{}, wanted);
  ASSERT_TRUE(ok(open));
  Bytes plain = contents(client::sha1(pubkey(open.value.key).encode()));
  Reply reply = activate(w.load(open.value.key), client::oaep_tcpa(ek, plain), {w.by_owner()});
  ASSERT_TRUE(ok(reply));
  EXPECT_EQ(reply.params, symmetric);
}

TEST_F(ActivateIdentity, RefusesAKeyThatIsNoIdentity) {
  Bytes blob = client::oaep_tcpa(ek, contents());
  EXPECT_TRUE(refused(activate(w.load(w.keys().sign), blob, {w.by_key(), w.by_owner()}), rc::BadParameter));  // 3
  EXPECT_TRUE(refused(activate(0x123456, blob, {w.by_key(), w.by_owner()}), rc::InvalidKeyHandle));
}

TEST_F(ActivateIdentity, RefusesABlobForAnotherKey) {
  EXPECT_TRUE(refused(activate(contents(client::secret("other"))), rc::BadParameter));           // 7.a
  EXPECT_TRUE(refused(activate(ek_blob(client::secret("other"), anywhere)), rc::BadParameter));  // 8.c
}

TEST_F(ActivateIdentity, RefusesWhatDoesNotDecrypt) {
  Bytes broken = client::oaep_tcpa(ek, contents());
  broken[77] ^= 1;
  EXPECT_TRUE(refused(activate(broken, {w.by_key(), w.by_owner()}), rc::DecryptError));
  EXPECT_NE(activate(Bytes{}, {w.by_key(), w.by_owner()}).code, rc::Ok);
  EXPECT_NE(activate(Bytes(255, 1), {w.by_key(), w.by_owner()}).code, rc::Ok);
  EXPECT_NE(activate(Bytes(256, 0xff), {w.by_key(), w.by_owner()}).code, rc::Ok);
}

TEST_F(ActivateIdentity, RefusesWhatIsNoStructure) {
  for (size_t n : {0U, 1U, 2U, 8U, 43U}) {
    Bytes plain = contents();
    plain.resize(n);
    EXPECT_NE(activate(plain).code, rc::Ok) << n;
  }
  Bytes longer = contents();
  longer.push_back(0);
  EXPECT_NE(activate(longer).code, rc::Ok);
  EXPECT_NE(activate(ek_blob(id_digest(), anywhere, 1, 0x2c)).code, rc::Ok) << "no TPM_EK_BLOB_ACTIVATE";
}

TEST_F(ActivateIdentity, RefusesOtherKindsOfBlob) {
  EXPECT_TRUE(refused(activate(ek_blob(id_digest(), anywhere, 2)), 52));  // 8.a, TPM_BAD_TYPE
}

TEST_F(ActivateIdentity, OnlyWithThePcrsOfTheBlob) {  // 8.d
  Bytes selection = client::pcr_selection({8});
  Digest boot = client::sha1(Out().raw(Digest{}).raw(client::secret("boot")));
  Bytes blob = ek_blob(id_digest(), info_short(selection, 0x1f, client::composite(selection, {boot})));
  EXPECT_TRUE(refused(activate(blob), rc::WrongPcrVal));
  ASSERT_TRUE(ok(tpm.extend(8, client::secret("boot"))));
  EXPECT_TRUE(ok(activate(blob)));
}

TEST_F(ActivateIdentity, OnlyFromTheLocalitiesOfTheBlob) {  // 8.e
  Bytes blob = ek_blob(id_digest(), info_short(client::pcr_selection({}), 1U << 2, Digest{}));
  EXPECT_TRUE(refused(activate(blob), rc::BadLocality));
  tpm.locality = 2;
  EXPECT_TRUE(ok(activate(blob)));
}

}  // namespace world
