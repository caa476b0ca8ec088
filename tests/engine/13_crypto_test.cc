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
  if (libtpms()) return;  // takes more
  EXPECT_TRUE(refused(tpm.run(0x47, Out().sized(Bytes(256))), rc::BadParameter));
}

// ---- TPM_CertifyKey and TPM_CertifyKey2 ----

class CertifyKey : public OwnedTest {
 protected:
  struct Certified {
    client::Reply reply;
    Bytes info;
    Bytes signature;
  };
  Certified certify(uint32_t cert, uint32_t key, const Digest& cert_auth = kKeyAuth,
                    const Digest& key_auth = kKeyAuth) {
    return parse({.ordinal = 0x32,
                  .handles = Out().u32(cert).u32(key),
                  .params = Out().raw(replay),
                  .proofs = {{.session = w.oiap(), .secret = cert_auth}, {.session = w.oiap(), .secret = key_auth}}},
                 false);
  }
  Certified certify2(uint32_t key, uint32_t cert, const Digest& key_auth = kKeyAuth,
                     const Digest& cert_auth = kKeyAuth) {
    return parse({.ordinal = 0x33,
                  .handles = Out().u32(key).u32(cert),
                  .params = Out().raw(Digest{}).raw(replay),
                  .proofs = {{.session = w.oiap(), .secret = key_auth}, {.session = w.oiap(), .secret = cert_auth}}},
                 true);
  }
  // Splits certifyInfo from the signature behind it.
  Certified parse(const client::Command& command, bool info2) {
    Certified certified{.reply = tpm.run(command)};
    if (!certified.reply.ok()) return certified;
    client::In in(certified.reply.params);
    client::In info(certified.reply.params);
    in.raw(4 + 2 + 4 + 1);  // tag and payload or version; usage, flags, authDataUsage
    client::KeyParms::decode(in);
    in.raw(40);
    in.u8();
    in.sized();
    if (info2) in.sized();
    certified.info = info.raw(in.at());
    certified.signature = in.sized();
    EXPECT_TRUE(in.done());
    return certified;
  }
  Bytes expected(const Key& key) {
    return Out()
        .u32(0x01010000)
        .u16(key.usage)
        .u32(key.flags)
        .u8(key.auth_usage)
        .raw(key.parms.encode())
        .raw(client::sha1(key.modulus))
        .raw(replay)
        .u8(0)
        .sized({});
  }
  Digest replay = client::secret("replay");
};

TEST_F(CertifyKey, SignsWhatTheKeyIs) {
  auto certified = certify(w.load(w.keys().sign), w.load(w.keys().bind));
  ASSERT_TRUE(ok(certified.reply));
  EXPECT_EQ(client::hex(certified.info), client::hex(expected(w.keys().bind)));
  EXPECT_TRUE(client::verify_sha1(w.keys().sign.pub(), client::sha1(certified.info), certified.signature));
}

TEST_F(CertifyKey, RefusesEachWrongProof) {
  uint32_t cert = w.load(w.keys().sign);
  uint32_t key = w.load(w.keys().bind);
  EXPECT_TRUE(refused(certify(cert, key, kWrong, kKeyAuth).reply, rc::AuthFail));
  EXPECT_TRUE(refused(certify(cert, key, kKeyAuth, kWrong).reply, rc::Auth2Fail));
}

TEST_F(CertifyKey, OneProofIsTheCertifiedKeysIfTheCertifierIsOpen) {
  client::Command command{.ordinal = 0x32,
                          .handles = Out().u32(w.load(w.keys().open)).u32(w.load(w.keys().bind)),
                          .params = Out().raw(replay),
                          .proofs = {{.session = w.oiap(), .secret = kKeyAuth}}};
  EXPECT_TRUE(ok(tpm.run(command)));
  command.handles = Out().u32(w.load(w.keys().sign)).u32(w.load(w.keys().bind));
  command.proofs = {{.session = w.oiap(), .secret = kKeyAuth}};
  EXPECT_TRUE(refused(tpm.run(command), rc::AuthFail));
}

TEST_F(CertifyKey, WithoutProofBothKeysMustBeOpen) {
  auto certify_open = [&](const Key& cert, const Key& key) {
    return tpm.run({.ordinal = 0x32, .handles = Out().u32(w.load(cert)).u32(w.load(key)), .params = Out().raw(replay)});
  };
  EXPECT_TRUE(ok(certify_open(w.keys().open, w.keys().open)));
  EXPECT_TRUE(ok(certify_open(w.keys().open, w.keys().no_read_auth)));
  EXPECT_TRUE(refused(certify_open(w.keys().open, w.keys().bind), rc::AuthFail));
  EXPECT_TRUE(refused(certify_open(w.keys().sign, w.keys().open), rc::AuthFail));
}

TEST_F(CertifyKey, RefusesACertifierThatDoesNotSignSha1) {
  uint32_t key = w.load(w.keys().bind);
  EXPECT_TRUE(refused(certify(w.load(w.keys().sign_der), key).reply, rc::BadKeyProperty));
  EXPECT_NE(certify(w.load(w.keys().bind), key).reply.code, rc::Ok);
}

class CertifyKey2 : public CertifyKey {};

TEST_F(CertifyKey2, SignsWhatTheKeyIs) {
  auto certified = certify2(w.load(w.keys().bind), w.load(w.keys().sign));
  ASSERT_TRUE(ok(certified.reply));
  const Key& key = w.keys().bind;
  Bytes info = Out()
                   .u16(0x29)
                   .u8(0)
                   .u8(1)
                   .u16(key.usage)
                   .u32(key.flags)
                   .u8(key.auth_usage)
                   .raw(key.parms.encode())
                   .raw(client::sha1(key.modulus))
                   .raw(replay)
                   .u8(0)
                   .sized({})
                   .sized({});
  EXPECT_EQ(client::hex(certified.info), client::hex(info));
  EXPECT_TRUE(client::verify_sha1(w.keys().sign.pub(), client::sha1(certified.info), certified.signature));
}

TEST_F(CertifyKey2, RefusesEachWrongProof) {
  uint32_t key = w.load(w.keys().bind);
  uint32_t cert = w.load(w.keys().sign);
  EXPECT_TRUE(refused(certify2(key, cert, kWrong, kKeyAuth).reply, rc::AuthFail));
  EXPECT_TRUE(refused(certify2(key, cert, kKeyAuth, kWrong).reply, rc::Auth2Fail));
}

TEST_F(CertifyKey2, RefusesACertifierThatDoesNotSignSha1) {
  EXPECT_TRUE(refused(certify2(w.load(w.keys().bind), w.load(w.keys().sign_der)).reply, rc::BadKeyProperty));  // 1
}

}  // namespace world
