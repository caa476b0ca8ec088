// SPDX-License-Identifier: MIT
#include "tests/engine/tpm_test.h"

namespace world {

using client::bytes_of;
using client::kSrk;

// ---- The SHA-1 thread ----

class Sha1Thread : public OwnedTest {
 protected:
  client::Reply start() { return tpm.run(0xa0); }
  client::Reply update(const Bytes& bytes) { return tpm.run(0xa1, Out().sized(bytes)); }
  client::Reply complete(const Bytes& bytes) { return tpm.run(0xa2, Out().sized(bytes)); }
};

TEST_F(Sha1Thread, HashesInPieces) {
  auto started = start();
  ASSERT_TRUE(ok(started));
  client::In in(started.params);
  EXPECT_GE(in.u32(), 64U);
  EXPECT_TRUE(in.done());
  ASSERT_TRUE(ok(update(Bytes(64, 'a'))));
  ASSERT_TRUE(ok(update(Bytes(128, 'b'))));
  auto done = complete(Bytes(7, 'c'));
  ASSERT_TRUE(ok(done));
  Bytes all(64, 'a');
  all.insert(all.end(), 128, 'b');
  all.insert(all.end(), 7, 'c');
  EXPECT_EQ(done.params, bytes_of(client::sha1(all)));
}

TEST_F(Sha1Thread, OfNothingIsTheHashOfNothing) {
  ASSERT_TRUE(ok(start()));
  EXPECT_EQ(complete({}).params, bytes_of(client::sha1({})));
}

TEST_F(Sha1Thread, CompleteTakesAWholeBlock) {
  ASSERT_TRUE(ok(start()));
  EXPECT_EQ(complete(Bytes(64, 'z')).params, bytes_of(client::sha1(Bytes(64, 'z'))));
}

TEST_F(Sha1Thread, CompleteExtendAnswersHashAndPcr) {
  ASSERT_TRUE(ok(start()));
  auto done = tpm.run(0xa3, Out().u32(9).sized(bytes_of("abc")));
  ASSERT_TRUE(ok(done));
  client::In in(done.params);
  Digest hash = in.digest();
  Digest pcr = in.digest();
  EXPECT_TRUE(in.done());
  EXPECT_EQ(hash, client::sha1(bytes_of("abc")));
  EXPECT_EQ(pcr, client::sha1(Out().raw(Digest{}).raw(hash)));
  EXPECT_EQ(tpm.pcr_read(9).value, pcr);
}

TEST_F(Sha1Thread, WithoutOneEverythingIsRefused) {
  EXPECT_TRUE(refused(update(Bytes(64)), rc::ShaThread));
  EXPECT_TRUE(refused(complete({}), rc::ShaThread));
  EXPECT_TRUE(refused(tpm.run(0xa3, Out().u32(9).sized({})), rc::ShaThread));
}

TEST_F(Sha1Thread, UpdateTakesWholeBlocksOnly) {
  for (size_t n : {1U, 63U, 65U, 127U}) {
    ASSERT_TRUE(ok(start()));
    EXPECT_TRUE(refused(update(Bytes(n)), rc::ShaError)) << n;
  }
}

TEST_F(Sha1Thread, CompleteTakesAtMostABlock) {
  ASSERT_TRUE(ok(start()));
  EXPECT_TRUE(refused(complete(Bytes(65)), rc::ShaError));
  ASSERT_TRUE(ok(start()));
  EXPECT_TRUE(refused(tpm.run(0xa3, Out().u32(9).sized(Bytes(65))), rc::ShaError));
}

TEST_F(Sha1Thread, AnErrorEndsIt) {
  ASSERT_TRUE(ok(start()));
  EXPECT_TRUE(refused(update(Bytes(63)), rc::ShaError));
  EXPECT_TRUE(refused(update(Bytes(64)), rc::ShaThread));
  ASSERT_TRUE(ok(start()));
  EXPECT_TRUE(refused(complete(Bytes(65)), rc::ShaError));
  EXPECT_TRUE(refused(complete({}), rc::ShaThread));
}

TEST_F(Sha1Thread, AnotherCommandEndsIt) {
  ASSERT_TRUE(ok(start()));
  ASSERT_TRUE(ok(tpm.pcr_read(0)));
  EXPECT_TRUE(refused(update(Bytes(64)), rc::ShaThread));
}

TEST_F(Sha1Thread, AnotherStartBeginsAfresh) {
  ASSERT_TRUE(ok(start()));
  ASSERT_TRUE(ok(update(Bytes(64, 'a'))));
  ASSERT_TRUE(ok(start()));
  EXPECT_EQ(complete({}).params, bytes_of(client::sha1({})));
}

TEST_F(Sha1Thread, CompleteExtendRefusesAPcrBeyondTheBank) {
  ASSERT_TRUE(ok(start()));
  EXPECT_TRUE(refused(tpm.run(0xa3, Out().u32(24).sized({})), rc::BadIndex));
}

TEST_F(Sha1Thread, CompleteExtendKeepsToTheLocalitiesOfThePlatform) {
  ASSERT_TRUE(ok(start()));
  EXPECT_TRUE(refused(tpm.run(0xa3, Out().u32(17).sized({})), rc::BadLocality));
}

// ---- TPM_Sign ----

class Sign : public OwnedTest {};

TEST_F(Sign, Sha1SignsADigest) {
  uint32_t key = w.load(w.keys().sign);
  auto signature = tpm.sign(key, kKeyAuth, bytes_of(client::secret("area")));
  ASSERT_TRUE(ok(signature));
  EXPECT_TRUE(client::verify_sha1(w.keys().sign.pub(), client::secret("area"), signature.value));
  for (size_t n : {1U, 19U, 21U, 40U}) EXPECT_TRUE(refused(tpm.sign(key, kKeyAuth, Bytes(n)), rc::BadParameter)) << n;
}

TEST_F(Sign, DerSignsWhatItIsGiven) {
  uint32_t key = w.load(w.keys().sign_der);
  Bytes area = bytes_of("not a DER structure, but signed as it is");
  auto signature = tpm.sign(key, kKeyAuth, area);
  ASSERT_TRUE(ok(signature));
  EXPECT_TRUE(client::verify_der(w.keys().sign_der.pub(), area, signature.value));
  EXPECT_TRUE(ok(tpm.sign(key, kKeyAuth, Bytes(128 - 11))));
  EXPECT_TRUE(refused(tpm.sign(key, kKeyAuth, Bytes(128 - 11 + 1)), rc::BadParameter));
}

TEST_F(Sign, InfoSignsAStructureWithTheNonce) {
  Session* session = w.oiap();
  uint32_t key = w.load(w.keys().sign_info);
  Digest odd = client::fresh_nonce();
  Bytes area = bytes_of("area");
  client::Reply reply = tpm.run({.ordinal = 0x3c,
                                 .handles = Out().u32(key),
                                 .params = Out().sized(area),
                                 .proofs = {{.session = session, .secret = kKeyAuth, .nonce_odd = odd}}});
  ASSERT_TRUE(ok(reply));
  client::In in(reply.params);
  Bytes info = Out().u16(5).raw(bytes_of("SIGN")).raw(odd).sized(area);
  EXPECT_TRUE(client::verify_sha1(w.keys().sign_info.pub(), client::sha1(info), in.sized()));
}

TEST_F(Sign, RefusesNothingToSign) {
  EXPECT_TRUE(refused(tpm.sign(w.load(w.keys().sign), kKeyAuth, {}), rc::BadParameter));  // 1
}

TEST_F(Sign, RefusesAWrongProof) {
  EXPECT_TRUE(refused(tpm.sign(w.load(w.keys().sign), kWrong, Bytes(20)), rc::AuthFail));  // 2
  EXPECT_TRUE(
      refused(tpm.run({.ordinal = 0x3c, .handles = Out().u32(w.load(w.keys().sign)), .params = Out().sized(Bytes(20))}),
              rc::AuthFail));
}

TEST_F(Sign, WithoutAuthorisationForAnOpenKey) {
  EXPECT_TRUE(
      ok(tpm.run({.ordinal = 0x3c, .handles = Out().u32(w.load(w.keys().open)), .params = Out().sized(Bytes(20))})));
}

TEST_F(Sign, RefusesKeysThatDoNotSign) {
  EXPECT_TRUE(refused(tpm.sign(w.load(w.keys().bind), kKeyAuth, Bytes(20)), rc::InvalidKeyUsage));  // 3
  EXPECT_TRUE(refused(tpm.sign(kSrk, kSrkAuth, Bytes(20)), rc::InvalidKeyUsage));
}

TEST_F(Sign, RefusesNoKey) { EXPECT_TRUE(refused(tpm.sign(0x123456, kKeyAuth, Bytes(20)), rc::InvalidKeyHandle)); }

// ---- Random numbers ----

class Random : public OwnedTest {};

TEST_F(Random, GivesWhatIsAskedFor) {
  for (uint32_t n : {1U, 20U, 333U}) {
    auto random = tpm.get_random(n);
    ASSERT_TRUE(ok(random));
    EXPECT_EQ(random.value.size(), n);
  }
  EXPECT_NE(tpm.get_random(20).value, tpm.get_random(20).value);
}

TEST_F(Random, GivesLessRatherThanFail) {
  auto random = tpm.get_random(0xffffffff);
  ASSERT_TRUE(ok(random));
  EXPECT_GT(random.value.size(), 0U);
  EXPECT_LE(random.value.size(), 4096U);
}

TEST_F(Random, StirTakesUpTo255Bytes) {
  for (size_t n : {0U, 1U, 255U}) EXPECT_TRUE(ok(tpm.run(0x47, Out().sized(Bytes(n))))) << n;
  EXPECT_TRUE(refused(tpm.run(0x47, Out().sized(Bytes(256))), rc::BadParameter));
}

// ---- TPM_CertifyKey and TPM_CertifyKey2 ----

class Certifying : public OwnedTest {
 protected:
  // TPM_CertifyKey; by how many proofs.
  client::Reply certify(uint32_t by, uint32_t key, const std::vector<Proof>& proofs) {
    return tpm.run({.ordinal = 0x32, .handles = Out().u32(by).u32(key), .params = Out().raw(replay), .proofs = proofs});
  }
  client::Reply certify(uint32_t by, uint32_t key) { return certify(by, key, {w.by_key(), w.by_key()}); }
  // TPM_CertifyKey2, whose handles and proofs stand the other way round.
  client::Reply certify2(uint32_t by, uint32_t key, const std::vector<Proof>& proofs) {
    return tpm.run({.ordinal = 0x33,
                    .handles = Out().u32(key).u32(by),
                    .params = Out().raw(Digest{}).raw(replay),
                    .proofs = proofs});
  }
  client::Reply certify2(uint32_t by, uint32_t key) { return certify2(by, key, {w.by_key(), w.by_key()}); }
  Proof wrong() { return {.session = w.oiap(), .secret = kWrong}; }

  // What both structures say after their different heads.
  Bytes body(const Key& key, bool parent_pcrs) const {
    return Out()
        .u16(key.usage)
        .u32(key.flags)
        .u8(key.auth_usage)
        .raw(key.parms.encode())
        .raw(client::sha1(key.modulus))
        .raw(replay)
        .u8(parent_pcrs);
  }
  Bytes info(const Key& key, const Bytes& pcr_info = {}, bool parent_pcrs = false) const {
    return Out().u32(0x01010000).raw(body(key, parent_pcrs)).sized(pcr_info);
  }
  Bytes info2(const Key& key, const Bytes& pcr_info = {}, bool parent_pcrs = false) const {
    return Out().u16(0x29).u8(0).u8(1).raw(body(key, parent_pcrs)).sized(pcr_info).sized({});
  }
  // Whether the answer is this structure, signed by this key.
  testing::AssertionResult certifies(const client::Reply& reply, const Bytes& expected, const Key& by) {
    if (!reply.ok()) return ok(reply);
    client::In in(reply.params);
    Bytes structure = in.raw(expected.size());
    if (structure != expected) {
      return testing::AssertionFailure() << client::hex(reply.params) << "\ninstead of " << client::hex(expected);
    }
    Bytes signature = in.sized();
    if (!in.done()) return testing::AssertionFailure() << "bytes left over";
    if (!client::verify_sha1(by.pub(), client::sha1(structure), signature)) {
      return testing::AssertionFailure() << "the signature does not verify";
    }
    return testing::AssertionSuccess();
  }
  Key made(const Key& key) {
    auto answer = tpm.create_wrap_key(kSrk, kSrkAuth, key, kKeyAuth);
    World::must(answer.reply, "CreateWrapKey");
    return answer.value;
  }
  // A signing key for these PCRs.
  Key bound_to(const Bytes& selection, const Digest& at_release, uint32_t flags = 0) {
    Key key = client::signing_key();
    key.flags = flags;
    key.pcr_info = client::pcr_info(selection, at_release);
    return made(key);
  }
  // One of version 1.2, for these localities.
  Key key12_for(uint8_t localities) {
    Key key = client::signing_key();
    key.key12 = true;
    Bytes none = client::pcr_selection({});
    key.pcr_info = client::pcr_info_long(none, none, Digest{}, localities);
    return made(key);
  }

  const Bytes low = client::pcr_selection({3});
  const Digest low_now = client::composite(low, {Digest{}});
  const Digest low_never = client::composite(low, {client::secret("never")});
  const Digest replay = client::secret("replay");
};

class CertifyKey : public Certifying {};
class CertifyKey2 : public Certifying {};

TEST_F(CertifyKey, DescribesAndSigns) {
  uint32_t by = w.load(w.keys().sign);
  for (const Key& key : {w.keys().bind, w.keys().storage, w.keys().legacy, w.keys().sign_der, w.keys().open}) {
    EXPECT_TRUE(certifies(certify(by, w.load(key)), info(key), w.keys().sign));
  }
}

TEST_F(CertifyKey, WorksWithTheInfoSchemeAndLegacyKeys) {
  uint32_t key = w.load(w.keys().bind);
  EXPECT_TRUE(certifies(certify(w.load(w.keys().sign_info), key), info(w.keys().bind), w.keys().sign_info));
  EXPECT_TRUE(certifies(certify(w.load(w.keys().legacy), key), info(w.keys().bind), w.keys().legacy));
}

TEST_F(CertifyKey, AnIdentityCertifiesKeysThatStay) {
  const Key& aik = w.keys().identity;
  uint32_t by = w.load(aik);
  EXPECT_TRUE(certifies(certify(by, w.load(w.keys().bind)), info(w.keys().bind), aik));
  EXPECT_TRUE(refused(certify(by, w.load(w.keys().migratable_sign)), rc::MigrateFail));  // 4.a
  EXPECT_TRUE(certifies(certify(w.load(w.keys().sign), by), info(aik), w.keys().sign)) << "and is certified itself";
}

TEST_F(CertifyKey, ASigningKeyCertifiesMigratableKeysToo) {
  EXPECT_TRUE(certifies(certify(w.load(w.keys().sign), w.load(w.keys().migratable_sign)),
                        info(w.keys().migratable_sign), w.keys().sign));
}

TEST_F(CertifyKey, TellsThePcrsOfVersion11) {
  Key key = bound_to(low, low_now);
  Bytes expected = Out().raw(client::pcr_selection({3}, 2)).raw(low_now).raw(Digest{});
  EXPECT_TRUE(certifies(certify(w.load(w.keys().sign), w.load(key)), info(key, expected), w.keys().sign));  // 9.b
}

TEST_F(CertifyKey, TellsThePcrsOfVersion12InTheOtherStructure) {
  Digest ones;
  ones.fill(0xff);  // a dynamic PCR before any dynamic launch
  Bytes selection = client::pcr_selection({3, 17});
  Digest now = client::composite(selection, {Digest{}, ones});
  Key key = bound_to(selection, now);
  Bytes expected = Out().raw(selection).u8(0x1f).raw(now);
  EXPECT_TRUE(certifies(certify(w.load(w.keys().sign), w.load(key)), info2(key, expected), w.keys().sign));  // 9.c
}

TEST_F(CertifyKey, TellsLocalitiesInTheOtherStructure) {
  Key key = key12_for(0x03);
  Bytes expected = Out().raw(client::pcr_selection({})).u8(0x03).raw(Digest{});
  EXPECT_TRUE(certifies(certify(w.load(w.keys().sign), w.load(key)), info2(key, expected), w.keys().sign));
}

TEST_F(CertifyKey, TellsWhetherTheParentIsBoundToPcrs) {
  Key storage = client::storage_key();
  storage.pcr_info = client::pcr_info(low, low_now);
  uint32_t parent = w.load(made(storage));
  auto child = tpm.create_wrap_key(parent, kKeyAuth, client::signing_key(), kKeyAuth);
  ASSERT_TRUE(ok(child));
  auto loaded = tpm.load_key2(parent, kKeyAuth, child.value.encode());
  ASSERT_TRUE(ok(loaded));
  uint32_t by = w.load(w.keys().sign);
  EXPECT_TRUE(certifies(certify(by, loaded.value.handle), info(child.value, {}, true), w.keys().sign));
  EXPECT_TRUE(certifies(certify2(by, loaded.value.handle), info2(child.value, {}, true), w.keys().sign));
}

TEST_F(CertifyKey, WithOneProofOrNoneOnlyForKeysThatAllowIt) {
  uint32_t open = w.load(w.keys().open);
  uint32_t closed = w.load(w.keys().sign);
  uint32_t readable = w.load(w.keys().no_read_auth);
  EXPECT_TRUE(certifies(certify(open, closed, {w.by_key()}), info(w.keys().sign), w.keys().open));
  EXPECT_TRUE(refused(certify(closed, open, {w.by_key()}), rc::AuthFail));    // 2.b.i
  EXPECT_TRUE(refused(certify(readable, open, {w.by_key()}), rc::AuthFail));  // 2.b.i
  EXPECT_TRUE(certifies(certify(open, readable, {}), info(w.keys().no_read_auth), w.keys().open));
  EXPECT_TRUE(certifies(certify(open, open, {}), info(w.keys().open), w.keys().open));
  EXPECT_TRUE(refused(certify(closed, open, {}), rc::AuthFail));  // 2.c.i
  EXPECT_TRUE(refused(certify(open, closed, {}), rc::AuthFail));  // 2.c.ii
}

TEST_F(CertifyKey, RefusesWrongProofs) {
  uint32_t by = w.load(w.keys().sign);
  uint32_t key = w.load(w.keys().bind);
  EXPECT_TRUE(refused(certify(by, key, {wrong(), w.by_key()}), rc::AuthFail));
  EXPECT_TRUE(refused(certify(by, key, {w.by_key(), wrong()}), rc::Auth2Fail));
}

TEST_F(CertifyKey, RefusesKeysThatAreNone) {
  uint32_t key = w.load(w.keys().sign);
  EXPECT_TRUE(refused(certify(0x123456, key), rc::InvalidKeyHandle));
  EXPECT_TRUE(refused(certify(key, 0x123456), rc::InvalidKeyHandle));
}

TEST_F(CertifyKey, RefusesSchemesThatSignOtherThings) {
  uint32_t key = w.load(w.keys().bind);
  EXPECT_TRUE(refused(certify(w.load(w.keys().sign_der), key), rc::BadKeyProperty));  // 1
  EXPECT_TRUE(refused(certify(w.load(w.keys().storage), key), rc::BadKeyProperty));   // 1
  EXPECT_TRUE(refused(certify(key, w.load(w.keys().sign)), rc::BadKeyProperty));      // 1
}

TEST_F(CertifyKey, RefusesAKeyOfOtherPcrsUnlessItIgnoresThem) {
  uint32_t by = w.load(w.keys().sign);
  EXPECT_TRUE(refused(certify(by, w.load(bound_to(low, low_never))), rc::WrongPcrVal));  // 9.a.i
  Key ignores = bound_to(low, low_never, client::kIgnorePcrOnRead);
  Bytes expected = Out().raw(client::pcr_selection({3}, 2)).raw(low_never).raw(Digest{});
  EXPECT_TRUE(certifies(certify(by, w.load(ignores)), info(ignores, expected), w.keys().sign));
}

TEST_F(CertifyKey, RefusesAKeyOfAnotherLocality) {
  Key key = key12_for(0x02);
  EXPECT_TRUE(refused(certify(w.load(w.keys().sign), w.load(key)),
                      rc::BadLocality));  // 9.a.ii
}

TEST_F(CertifyKey2, DescribesAndSigns) {
  uint32_t by = w.load(w.keys().sign);
  for (const Key& key : {w.keys().bind, w.keys().storage, w.keys().legacy, w.keys().sign_der, w.keys().open}) {
    EXPECT_TRUE(certifies(certify2(by, w.load(key)), info2(key), w.keys().sign));
  }
}

TEST_F(CertifyKey2, TellsThePcrsInTheShortForm) {
  Key key = bound_to(low, low_now);
  Bytes expected = Out().raw(low).u8(0x1f).raw(low_now);
  EXPECT_TRUE(certifies(certify2(w.load(w.keys().sign), w.load(key)), info2(key, expected), w.keys().sign));  // 13
}

TEST_F(CertifyKey2, TellsLocalities) {
  Key key = key12_for(0x03);
  Bytes expected = Out().raw(client::pcr_selection({})).u8(0x03).raw(Digest{});
  EXPECT_TRUE(certifies(certify2(w.load(w.keys().sign), w.load(key)), info2(key, expected), w.keys().sign));
}

TEST_F(CertifyKey2, AnIdentityCertifiesKeysThatStay) {
  const Key& aik = w.keys().identity;
  uint32_t by = w.load(aik);
  EXPECT_TRUE(certifies(certify2(by, w.load(w.keys().bind)), info2(w.keys().bind), aik));
  EXPECT_TRUE(refused(certify2(by, w.load(w.keys().migratable_sign)), rc::MigrateFail));  // 3.a
}

TEST_F(CertifyKey2, WithOneProofOrNoneOnlyForKeysThatAllowIt) {
  uint32_t open = w.load(w.keys().open);
  uint32_t closed = w.load(w.keys().sign);
  uint32_t readable = w.load(w.keys().no_read_auth);
  EXPECT_TRUE(certifies(certify2(closed, open, {w.by_key()}), info2(w.keys().open), w.keys().sign));
  EXPECT_TRUE(certifies(certify2(closed, readable, {w.by_key()}), info2(w.keys().no_read_auth), w.keys().sign));
  EXPECT_TRUE(refused(certify2(open, closed, {w.by_key()}), rc::AuthFail));  // 2.b.i
  EXPECT_TRUE(certifies(certify2(open, readable, {}), info2(w.keys().no_read_auth), w.keys().open));
  EXPECT_TRUE(refused(certify2(open, closed, {}), rc::AuthFail));    // 2.c.i
  EXPECT_TRUE(refused(certify2(closed, open, {}), rc::AuthFail));    // 2.c.ii
  EXPECT_TRUE(refused(certify2(readable, open, {}), rc::AuthFail));  // 2.c.ii
}

TEST_F(CertifyKey2, RefusesWrongProofs) {
  uint32_t by = w.load(w.keys().sign);
  uint32_t key = w.load(w.keys().bind);
  EXPECT_TRUE(refused(certify2(by, key, {wrong(), w.by_key()}), rc::AuthFail));
  EXPECT_TRUE(refused(certify2(by, key, {w.by_key(), wrong()}), rc::Auth2Fail));
}

TEST_F(CertifyKey2, RefusesSchemesThatSignOtherThings) {
  uint32_t key = w.load(w.keys().bind);
  EXPECT_TRUE(refused(certify2(w.load(w.keys().sign_der), key), rc::BadKeyProperty));  // 1
  EXPECT_TRUE(refused(certify2(w.load(w.keys().storage), key), rc::BadKeyProperty));   // 1
}

TEST_F(CertifyKey2, RefusesAKeyOfOtherPcrsUnlessItIgnoresThem) {
  uint32_t by = w.load(w.keys().sign);
  EXPECT_TRUE(refused(certify2(by, w.load(bound_to(low, low_never))), rc::WrongPcrVal));  // 13.c.i
  Key ignores = bound_to(low, low_never, client::kIgnorePcrOnRead);
  Bytes expected = Out().raw(low).u8(0x1f).raw(low_never);
  EXPECT_TRUE(certifies(certify2(by, w.load(ignores)), info2(ignores, expected), w.keys().sign));
}

}  // namespace world
