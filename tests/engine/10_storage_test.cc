// SPDX-License-Identifier: MIT
#include <openssl/bn.h>

#include "tests/engine/tpm_test.h"

namespace world {

using client::bytes_of;
using client::kSrk;

class Storage : public OwnedTest {
 protected:
  // What PCR 8 must be after `event`.
  static Digest after(const char* event) { return client::sha1(Out().raw(Digest{}).raw(client::secret(event))); }
  Bytes selection = client::pcr_selection({8});
  Bytes data = bytes_of("the quick brown fox");
  const uint32_t kTooLarge = rc::BadDataSize;
};

// ---- TPM_Seal and TPM_Unseal ----

class Seal : public Storage {};
class Unseal : public Storage {};

TEST_F(Seal, AndUnsealGiveTheDataBack) {
  auto blob = tpm.seal(kSrk, kSrkAuth, data, kDataAuth);
  ASSERT_TRUE(ok(blob));
  auto plain = tpm.unseal(kSrk, kSrkAuth, blob.value, kDataAuth);
  ASSERT_TRUE(ok(plain));
  EXPECT_EQ(plain.value, data);
}

TEST_F(Seal, WorksUnderAChildKey) {
  uint32_t key = w.load(w.keys().storage);
  auto blob = tpm.seal(key, kKeyAuth, data, kDataAuth);
  ASSERT_TRUE(ok(blob));
  EXPECT_EQ(tpm.unseal(key, kKeyAuth, blob.value, kDataAuth).value, data);
  EXPECT_TRUE(refused(tpm.unseal(kSrk, kSrkAuth, blob.value, kDataAuth), rc::NotSealedBlob)) << "another parent";
}

TEST_F(Seal, OutlastsThePower) {
  auto blob = tpm.seal(kSrk, kSrkAuth, data, kDataAuth);
  ASSERT_TRUE(ok(blob));
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_EQ(tpm.unseal(kSrk, kSrkAuth, blob.value, kDataAuth).value, data);
}

TEST_F(Seal, WithPcrInfoIsAStructureOfVersion11) {
  auto blob =
      tpm.seal(kSrk, kSrkAuth, data, kDataAuth, client::pcr_info(selection, client::composite(selection, {Digest{}})));
  ASSERT_TRUE(ok(blob));
  client::In in(blob.value);
  EXPECT_EQ(in.u32(), 0x01010000U);
  client::In info(in.sized());
  EXPECT_EQ(info.raw(5), selection);
  EXPECT_EQ(info.digest(), client::composite(selection, {Digest{}})) << "at release";
  EXPECT_EQ(info.digest(), client::composite(selection, {Digest{}})) << "at creation";
  EXPECT_TRUE(info.done());
  EXPECT_EQ(in.sized().size(), 256U);
  EXPECT_TRUE(in.done());
}

TEST_F(Seal, WithPcrInfoLongIsAStructureOfVersion12) {
  auto blob = tpm.seal(kSrk, kSrkAuth, data, kDataAuth,
                       client::pcr_info_long(selection, selection, client::composite(selection, {Digest{}})));
  ASSERT_TRUE(ok(blob));
  client::In in(blob.value);
  EXPECT_EQ(in.u16(), 0x16);
  EXPECT_EQ(in.u16(), 0);
  client::In info(in.sized());
  EXPECT_EQ(info.u16(), 6);
  EXPECT_EQ(info.u8(), 1) << "locality at creation";
  EXPECT_EQ(info.u8(), 1);
  EXPECT_EQ(info.raw(5), selection);
  EXPECT_EQ(info.raw(5), selection);
  EXPECT_EQ(info.digest(), client::composite(selection, {Digest{}})) << "at creation";
  info.digest();
  EXPECT_TRUE(info.done());
  EXPECT_EQ(tpm.unseal(kSrk, kSrkAuth, blob.value, kDataAuth).value, data);
}

TEST_F(Seal, RefusesNoData) { EXPECT_TRUE(refused(tpm.seal(kSrk, kSrkAuth, {}, kDataAuth), rc::BadParameter)); }  // 2

TEST_F(Seal, RefusesAKeyThatDoesNotStore) {
  EXPECT_TRUE(refused(tpm.seal(w.load(w.keys().sign), kKeyAuth, data, kDataAuth), rc::InvalidKeyUsage));  // 3
}

TEST_F(Seal, RefusesAMigratableKey) {
  EXPECT_TRUE(
      refused(tpm.seal(w.load(w.keys().migratable_storage), kKeyAuth, data, kDataAuth), rc::InvalidKeyUsage));  // 4
}

TEST_F(Seal, RefusesPcrInfoThatIsNone) {
  for (const Bytes& info : {Bytes{0}, Bytes(3), Bytes{0, 6}, Bytes(44), Bytes(47)}) {
    EXPECT_NE(tpm.seal(kSrk, kSrkAuth, data, kDataAuth, info).code(), rc::Ok) << client::hex(info);
  }
  EXPECT_TRUE(refused(tpm.seal(kSrk, kSrkAuth, data, kDataAuth, {0}), rc::BadIndex));  // 11.a.i
  Bytes longer = client::pcr_info(selection, Digest{});
  longer.push_back(0);
  EXPECT_NE(tpm.seal(kSrk, kSrkAuth, data, kDataAuth, longer).code(), rc::Ok);
}

TEST_F(Seal, RefusesDataThatDoesNotFitTheKey) {
  // 2048 bits less OAEP (42) less payload, secrets and length (65).
  EXPECT_TRUE(ok(tpm.seal(kSrk, kSrkAuth, Bytes(256 - 42 - 65), kDataAuth)));
  EXPECT_TRUE(refused(tpm.seal(kSrk, kSrkAuth, Bytes(256 - 42 - 65 + 1), kDataAuth), kTooLarge));  // 15
}

TEST_F(Seal, RefusesAWrongProof) { EXPECT_TRUE(refused(tpm.seal(kSrk, kWrong, data, kDataAuth), rc::AuthFail)); }

TEST_F(Unseal, OnlyWithThePcrsOfTheRelease) {
  Bytes info = client::pcr_info(selection, client::composite(selection, {after("boot")}));
  auto blob = tpm.seal(kSrk, kSrkAuth, data, kDataAuth, info);
  ASSERT_TRUE(ok(blob));
  EXPECT_TRUE(refused(tpm.unseal(kSrk, kSrkAuth, blob.value, kDataAuth), rc::WrongPcrVal));  // 7.a
  ASSERT_TRUE(ok(tpm.extend(8, client::secret("boot"))));
  EXPECT_EQ(tpm.unseal(kSrk, kSrkAuth, blob.value, kDataAuth).value, data);
  ASSERT_TRUE(ok(tpm.extend(8, client::secret("more"))));
  EXPECT_TRUE(refused(tpm.unseal(kSrk, kSrkAuth, blob.value, kDataAuth), rc::WrongPcrVal));
}

TEST_F(Unseal, OnlyFromTheLocalitiesOfTheRelease) {
  Bytes info = client::pcr_info_long(selection, selection, client::composite(selection, {Digest{}}), 1U << 2);
  auto blob = tpm.seal(kSrk, kSrkAuth, data, kDataAuth, info);
  ASSERT_TRUE(ok(blob));
  EXPECT_TRUE(refused(tpm.unseal(kSrk, kSrkAuth, blob.value, kDataAuth), rc::BadLocality));  // 7.b.iii
  tpm.locality = 2;
  EXPECT_EQ(tpm.unseal(kSrk, kSrkAuth, blob.value, kDataAuth).value, data);
}

TEST_F(Unseal, RefusesWrongProofs) {
  auto blob = tpm.seal(kSrk, kSrkAuth, data, kDataAuth);
  ASSERT_TRUE(ok(blob));
  EXPECT_TRUE(refused(tpm.unseal(kSrk, kWrong, blob.value, kDataAuth), rc::AuthFail));  // 1
  EXPECT_TRUE(refused(tpm.unseal(kSrk, kSrkAuth, blob.value, kWrong), rc::Auth2Fail));  // 8
}

TEST_F(Unseal, WithoutTheParentsProofOnlyForAnOpenParent) {
  auto blob = tpm.seal(kSrk, kSrkAuth, data, kDataAuth);
  ASSERT_TRUE(ok(blob));
  EXPECT_TRUE(refused(tpm.run({.ordinal = 0x18,
                               .handles = Out().u32(kSrk),
                               .params = blob.value,
                               .proofs = {{.session = w.oiap(), .secret = kDataAuth}}}),
                      rc::AuthFail));
}

TEST_F(Unseal, RefusesAKeyThatDoesNotStore) {
  auto blob = tpm.seal(kSrk, kSrkAuth, data, kDataAuth);
  EXPECT_TRUE(refused(tpm.unseal(w.load(w.keys().sign), kKeyAuth, blob.value, kDataAuth), rc::InvalidKeyUsage));  // 2
  EXPECT_TRUE(refused(tpm.unseal(w.load(w.keys().migratable_storage), kKeyAuth, blob.value, kDataAuth),
                      rc::InvalidKeyUsage));  // 3
}

TEST_F(Unseal, RefusesATamperedBlob) {
  auto blob =
      tpm.seal(kSrk, kSrkAuth, data, kDataAuth, client::pcr_info(selection, client::composite(selection, {Digest{}})));
  ASSERT_TRUE(ok(blob));
  for (size_t at : {11U, 20U, 40U, 60U, 200U, 300U}) {
    Bytes tampered = blob.value;
    tampered[at] ^= 1;
    EXPECT_TRUE(refused(tpm.unseal(kSrk, kSrkAuth, tampered, kDataAuth), rc::NotSealedBlob)) << at;  // 6
  }
}

TEST_F(Unseal, RefusesAnUnknownVersion) {
  auto blob = tpm.seal(kSrk, kSrkAuth, data, kDataAuth);
  ASSERT_TRUE(ok(blob));
  Bytes other = blob.value;
  other[1] = 9;
  EXPECT_TRUE(refused(tpm.unseal(kSrk, kSrkAuth, other, kDataAuth), rc::BadVersion));  // 4.c
  for (size_t revision : {2U, 3U}) {
    other = blob.value;
    other[revision] = 9;
    EXPECT_TRUE(refused(tpm.unseal(kSrk, kSrkAuth, other, kDataAuth), rc::NotSealedBlob)) << revision;  // 4.b, 6.f
  }
}

TEST_F(Unseal, RefusesABlobThatWasNotSealed) {
  Bytes stored = Out().u32(0x01010000).sized({}).sized(client::oaep_tcpa(w.srk().pub(), Bytes(65)));
  EXPECT_TRUE(refused(tpm.unseal(kSrk, kSrkAuth, stored, kDataAuth), rc::NotSealedBlob));
}

// ---- TPM_Sealx ----

class Sealx : public Storage {
 protected:
  Bytes info = client::pcr_info_long(selection, selection, client::composite(selection, {Digest{}}));
};

TEST_F(Sealx, DataTravelsHiddenBothWays) {
  auto blob = tpm.sealx(kSrk, kSrkAuth, data, kDataAuth, info);
  ASSERT_TRUE(ok(blob));
  Session* parent = w.osap_srk();
  Digest odd = client::fresh_nonce();
  Digest even = parent->nonce_even;
  client::Reply reply = tpm.run(
      {.ordinal = 0x18,
       .handles = Out().u32(kSrk),
       .params = blob.value,
       .proofs = {{.session = parent, .keep = true, .nonce_odd = odd}, {.session = w.oiap(), .secret = kDataAuth}}});
  ASSERT_TRUE(ok(reply));
  client::In in(reply.params);
  Bytes hidden = in.sized();
  ASSERT_EQ(hidden.size(), data.size());
  EXPECT_NE(hidden, data);
  // MGF1 seeded with both nonces of the request, "XOR" and the shared secret.
  Digest block = client::sha1(Out().raw(even).raw(odd).raw(bytes_of("XOR")).raw(parent->shared).u32(0));
  for (size_t i = 0; i < hidden.size(); i++) hidden[i] = static_cast<uint8_t>(hidden[i] ^ block[i]);
  EXPECT_EQ(hidden, data);
}

TEST_F(Sealx, NeedsAnOsapSessionToOpen) {
  auto blob = tpm.sealx(kSrk, kSrkAuth, data, kDataAuth, info);
  ASSERT_TRUE(ok(blob));
  EXPECT_TRUE(refused(tpm.unseal(kSrk, kSrkAuth, blob.value, kDataAuth), rc::BadMode));  // 10.2, 9.b
}

TEST_F(Sealx, RefusesPcrInfoOfVersion11) {
  EXPECT_TRUE(refused(tpm.sealx(kSrk, kSrkAuth, data, kDataAuth, client::pcr_info(selection, Digest{})), rc::BadIndex));
}

TEST_F(Sealx, RefusesWhatSealRefuses) {
  EXPECT_TRUE(refused(tpm.sealx(kSrk, kSrkAuth, {}, kDataAuth, info), rc::BadParameter));
  EXPECT_TRUE(refused(tpm.sealx(kSrk, kWrong, data, kDataAuth, info), rc::AuthFail));
  EXPECT_TRUE(refused(tpm.sealx(w.load(w.keys().sign), kKeyAuth, data, kDataAuth, info), rc::InvalidKeyUsage));
  EXPECT_TRUE(refused(tpm.sealx(kSrk, kSrkAuth, Bytes(256 - 42 - 65 + 1), kDataAuth, info), kTooLarge));
}

// ---- TPM_UnBind ----

class UnBind : public Storage {
 protected:
  Bytes bound(const Key& key, uint8_t payload = 2) {
    return client::oaep_tcpa(key.pub(), Out().u32(0x01010000).u8(payload).raw(data));
  }
};

TEST_F(UnBind, OpensWhatWasBoundOutside) {
  EXPECT_EQ(tpm.unbind(w.load(w.keys().bind), kKeyAuth, bound(w.keys().bind)).value, data);
  EXPECT_EQ(tpm.unbind(w.load(w.keys().legacy), kKeyAuth, bound(w.keys().legacy)).value, data);
  Bytes pkcs = client::pkcs1_v15(w.keys().bind_pkcs.pub(), Out().u32(0x01010000).u8(2).raw(data));
  EXPECT_EQ(tpm.unbind(w.load(w.keys().bind_pkcs), kKeyAuth, pkcs).value, data);
}

TEST_F(UnBind, RefusesNoData) {
  EXPECT_TRUE(refused(tpm.unbind(w.load(w.keys().bind), kKeyAuth, {}), rc::BadParameter));  // 1
}

TEST_F(UnBind, RefusesAWrongProof) {
  EXPECT_TRUE(refused(tpm.unbind(w.load(w.keys().bind), kWrong, bound(w.keys().bind)), rc::AuthFail));  // 2
}

TEST_F(UnBind, RefusesAKeyThatDoesNotBind) {
  EXPECT_TRUE(refused(tpm.unbind(w.load(w.keys().sign), kKeyAuth, bound(w.keys().sign)), rc::InvalidKeyUsage));  // 3
  EXPECT_TRUE(refused(tpm.unbind(kSrk, kSrkAuth, bound(w.srk())), rc::InvalidKeyUsage));
}

TEST_F(UnBind, RefusesAnotherPayload) {
  EXPECT_TRUE(
      refused(tpm.unbind(w.load(w.keys().bind), kKeyAuth, bound(w.keys().bind, 5)), rc::InvalidStructure));  // 6.a
}

TEST_F(UnBind, RefusesWhatDoesNotDecrypt) {
  uint32_t key = w.load(w.keys().bind);
  Bytes broken = bound(w.keys().bind);
  broken[50] ^= 1;
  EXPECT_TRUE(refused(tpm.unbind(key, kKeyAuth, broken), rc::DecryptError));
  EXPECT_NE(tpm.unbind(key, kKeyAuth, Bytes(127, 1)).code(), rc::Ok);
  EXPECT_NE(tpm.unbind(key, kKeyAuth, Bytes(128, 0xff)).code(), rc::Ok);
}

// ---- TPM_CreateWrapKey ----

class CreateWrapKey : public Storage {
 protected:
  client::Answer<Key> create(const Key& key) {
    return tpm.create_wrap_key(kSrk, kSrkAuth, key, kKeyAuth, kMigrationAuth);
  }
};

TEST_F(CreateWrapKey, MakesKeysThatWork) {
  auto made = create(client::signing_key(2048));
  ASSERT_TRUE(ok(made));
  EXPECT_EQ(made.value.modulus.size(), 256U);
  EXPECT_EQ(made.value.encrypted.size(), 256U);
  uint32_t key = w.load(made.value);
  auto signature = tpm.sign(key, kKeyAuth, bytes_of(client::secret("area")));
  ASSERT_TRUE(ok(signature));
  EXPECT_TRUE(client::verify_sha1(made.value.pub(), client::secret("area"), signature.value));
}

TEST_F(CreateWrapKey, SecretsTravelUnderTheirOwnNonces) {
  Key key = client::signing_key();
  key.flags = client::kMigratable;
  auto made = create(key);
  ASSERT_TRUE(ok(made));
  EXPECT_TRUE(ok(tpm.sign(w.load(made.value), kKeyAuth, Bytes(20))));
  EXPECT_TRUE(refused(tpm.sign(w.load(made.value), kMigrationAuth, Bytes(20)), rc::AuthFail));
}

TEST_F(CreateWrapKey, BindsAKeyToPcrs) {
  Key key = client::signing_key();
  key.pcr_info = client::pcr_info(selection, client::composite(selection, {after("boot")}));
  auto made = create(key);
  ASSERT_TRUE(ok(made));
  client::In info(made.value.pcr_info);
  info.raw(5);
  info.digest();
  EXPECT_EQ(info.digest(), client::composite(selection, {Digest{}})) << "digestAtCreation is the TPM's";
  uint32_t handle = w.load(made.value);
  EXPECT_TRUE(refused(tpm.sign(handle, kKeyAuth, Bytes(20)), rc::WrongPcrVal));
  ASSERT_TRUE(ok(tpm.extend(8, client::secret("boot"))));
  EXPECT_TRUE(ok(tpm.sign(handle, kKeyAuth, Bytes(20))));
}

TEST_F(CreateWrapKey, MakesKeysOfVersion12) {
  Key key = client::signing_key();
  key.key12 = true;
  key.pcr_info = client::pcr_info_long(selection, selection, client::composite(selection, {Digest{}}), 0x02);
  auto made = create(key);
  ASSERT_TRUE(ok(made));
  EXPECT_TRUE(made.value.key12);
  uint32_t handle = w.load(made.value);
  EXPECT_TRUE(refused(tpm.sign(handle, kKeyAuth, Bytes(20)), rc::BadLocality));
  tpm.locality = 1;
  EXPECT_TRUE(ok(tpm.sign(handle, kKeyAuth, Bytes(20))));
}

TEST_F(CreateWrapKey, RefusesAParentThatDoesNotStore) {
  EXPECT_TRUE(refused(tpm.create_wrap_key(w.load(w.keys().sign), kKeyAuth, client::signing_key(), kKeyAuth),
                      rc::InvalidKeyUsage));  // 4
}

TEST_F(CreateWrapKey, RefusesAFixedKeyUnderAMigratableOne) {
  uint32_t parent = w.load(w.keys().migratable_storage);
  EXPECT_TRUE(
      refused(tpm.create_wrap_key(parent, kKeyAuth, client::signing_key(), kKeyAuth), rc::InvalidKeyUsage));  // 5
  Key key = client::signing_key();
  key.flags = client::kMigratable;
  EXPECT_TRUE(ok(tpm.create_wrap_key(parent, kKeyAuth, key, kKeyAuth)));
}

TEST_F(CreateWrapKey, RefusesUsagesThatOthersMake) {
  Key key = client::signing_key(2048);
  key.usage = client::kIdentity;
  EXPECT_TRUE(refused(create(key), rc::InvalidKeyUsage));  // 6.a
  key = client::bind_key();
  key.usage = client::kAuthChange;
  EXPECT_TRUE(refused(create(key), rc::InvalidKeyUsage));
  key = client::signing_key();
  key.flags = client::kMigrateAuthority;
  EXPECT_TRUE(refused(create(key), rc::InvalidKeyUsage));  // 6.b
  key.flags = client::kMigrateAuthority | client::kMigratable;
  EXPECT_TRUE(refused(create(key), rc::InvalidKeyUsage));
}

TEST_F(CreateWrapKey, RefusesStorageKeysOfAnotherKind) {
  Key key = client::storage_key(1024);
  EXPECT_TRUE(refused(create(key), rc::BadKeyProperty));  // 8
  key = client::storage_key();
  key.parms.enc_scheme = client::kEsPkcs;
  EXPECT_TRUE(refused(create(key), rc::BadKeyProperty));
  key = client::storage_key();
  key.parms.sig_scheme = client::kSsSha1;
  EXPECT_TRUE(refused(create(key), rc::BadKeyProperty));
}

TEST_F(CreateWrapKey, RefusesParametersThatMakeNoKey) {
  Key key = client::signing_key();
  key.parms.primes = 3;
  EXPECT_TRUE(refused(create(key), rc::BadKeyProperty));
  key = client::signing_key();
  key.parms.bits = 4096;
  EXPECT_TRUE(refused(create(key), rc::BadKeyProperty));
  key = client::signing_key();
  key.parms.algorithm = 6;
  EXPECT_NE(create(key).code(), rc::Ok);
  key = client::signing_key();
  key.parms.enc_scheme = client::kEsOaep;  // signing keys do not encrypt
  EXPECT_NE(create(key).code(), rc::Ok);
}

TEST_F(CreateWrapKey, RefusesFlagsThatAreNone) {
  for (uint32_t flag : {0x20U, 0x100U, 0x80000000U}) {
    Key key = client::signing_key();
    key.flags |= flag;
    EXPECT_TRUE(refused(create(key), rc::BadKeyProperty)) << flag;
  }
}

TEST_F(CreateWrapKey, RefusesAWrongProofAndAnOiapSession) {
  EXPECT_TRUE(refused(tpm.create_wrap_key(kSrk, kWrong, client::signing_key(), kKeyAuth), rc::AuthFail));  // 1
  Bytes params = Out().raw(kKeyAuth).raw(kKeyAuth).raw(client::signing_key().encode());
  EXPECT_NE(tpm.run_oiap({.ordinal = 0x1f, .handles = Out().u32(kSrk), .params = params}, kSrkAuth).code, rc::Ok);  // 2
}

// ---- TPM_LoadKey2 ----

class LoadKey2 : public Storage {
 protected:
  client::Answer<client::Loaded> load(const Key& key) { return tpm.load_key2(kSrk, kSrkAuth, key.encode()); }
};

TEST_F(LoadKey2, LoadsAKeyMadeOutside) {
  client::RsaPair pair = client::make_rsa(1024);
  Key key = client::signing_key();
  key.flags = client::kMigratable;
  Bytes blob = client::wrap_outside(key, pair, w.srk().pub(), kKeyAuth, kMigrationAuth);
  auto loaded = tpm.load_key2(kSrk, kSrkAuth, blob);
  ASSERT_TRUE(ok(loaded));
  auto signature = tpm.sign(loaded.value.handle, kKeyAuth, bytes_of(client::secret("area")));
  EXPECT_TRUE(client::verify_sha1(pair.pub, client::secret("area"), signature.value));
}

TEST_F(LoadKey2, RefusesAFixedKeyWithoutTheTpmsProof) {
  client::RsaPair pair = client::make_rsa(1024);
  Bytes blob = client::wrap_outside(client::signing_key(), pair, w.srk().pub(), kKeyAuth, kMigrationAuth);
  EXPECT_NE(tpm.load_key2(kSrk, kSrkAuth, blob).code(), rc::Ok);
}

TEST_F(LoadKey2, RefusesAPrimeOfAnotherModulus) {
  client::RsaPair pair = client::make_rsa(1024);
  pair.prime = client::make_rsa(1024).prime;
  Key key = client::signing_key();
  key.flags = client::kMigratable;
  Bytes blob = client::wrap_outside(key, pair, w.srk().pub(), kKeyAuth, kMigrationAuth);
  EXPECT_TRUE(refused(tpm.load_key2(kSrk, kSrkAuth, blob), rc::BadKeyProperty));
}

Bytes product(const Bytes& a, const Bytes& b) {
  BN_CTX* ctx = BN_CTX_new();
  BIGNUM* left = BN_bin2bn(a.data(), static_cast<int>(a.size()), nullptr);
  BIGNUM* right = BN_bin2bn(b.data(), static_cast<int>(b.size()), nullptr);
  EXPECT_EQ(BN_mul(left, left, right, ctx), 1);
  Bytes bytes(static_cast<size_t>(BN_num_bytes(left)));
  BN_bn2bin(left, bytes.data());
  BN_free(left);
  BN_free(right);
  BN_CTX_free(ctx);
  return bytes;
}

// Factors that are no primes may have a divisor in common: then neither has an inverse modulo the other.
TEST_F(LoadKey2, AKeyOfFactorsWithACommonDivisorSignsNothing) {
  auto prime = [] { return client::make_rsa(512).prime; };
  Bytes common = prime(), factor = product(common, prime()), other = product(common, prime());
  client::RsaPair pair{.pub = {.modulus = product(factor, other)}, .prime = factor};
  Key key = client::signing_key();
  key.flags = client::kMigratable;
  auto loaded = tpm.load_key2(kSrk, kSrkAuth, client::wrap_outside(key, pair, w.srk().pub(), kKeyAuth, kMigrationAuth));
  ASSERT_TRUE(ok(loaded));
  Bytes area = bytes_of(client::secret("area"));
  EXPECT_TRUE(refused(tpm.sign(loaded.value.handle, kKeyAuth, area), rc::Fail));
  EXPECT_TRUE(ok(tpm.pcr_read(0)));
}

TEST_F(LoadKey2, LoadsTheSameKeyTwiceUnderTwoHandles) {
  auto a = load(w.keys().sign);
  auto b = load(w.keys().sign);
  ASSERT_TRUE(ok(a));
  ASSERT_TRUE(ok(b));
  EXPECT_NE(a.value.handle, b.value.handle);
}

TEST_F(LoadKey2, RefusesATamperedKey) {
  Key key = w.keys().sign;
  key.modulus[5] ^= 1;
  EXPECT_NE(load(key).code(), rc::Ok);
  key = w.keys().sign;
  key.encrypted[5] ^= 1;
  EXPECT_NE(load(key).code(), rc::Ok);
  key = w.keys().sign;
  key.auth_usage = 0;
  EXPECT_NE(load(key).code(), rc::Ok) << "the digest in the private part covers the public part";
  key = w.keys().sign;
  key.flags ^= client::kVolatile;
  EXPECT_NE(load(key).code(), rc::Ok);
  EXPECT_EQ(tpm.get_capability(7).value, Bytes({0, 0}));
}

TEST_F(LoadKey2, RefusesAnotherVersionButNotAnotherRevision) {
  Bytes blob = w.keys().sign.encode();
  blob[1] = 9;
  EXPECT_TRUE(refused(tpm.load_key2(kSrk, kSrkAuth, blob), rc::BadVersion));
  blob = w.keys().sign.encode();
  blob[3] = 9;
  EXPECT_TRUE(refused(tpm.load_key2(kSrk, kSrkAuth, blob), rc::Fail)) << "the digest covers it";  // 6
}

TEST_F(LoadKey2, RefusesAParentThatDoesNotStore) {
  EXPECT_TRUE(refused(tpm.load_key2(w.load(w.keys().sign), kKeyAuth, w.keys().bind.encode()), rc::InvalidKeyUsage));
}

TEST_F(LoadKey2, RefusesAWrongProof) {
  EXPECT_TRUE(refused(tpm.load_key2(kSrk, kWrong, w.keys().sign.encode()), rc::AuthFail));
}

TEST_F(LoadKey2, SaysWhenThereIsNoRoom) {
  size_t n = 0;
  auto answer = load(w.keys().sign);
  for (; n < 200 && answer.ok(); n++) answer = load(w.keys().sign);
  EXPECT_GE(n, 3U);
  EXPECT_TRUE(refused(answer, rc::NoSpace));
}

TEST_F(LoadKey2, WithoutAuthorisationOnlyUnderAnOpenParent) {
  EXPECT_TRUE(refused(
      tpm.run({.ordinal = 0x41, .handles = Out().u32(kSrk), .params = w.keys().sign.encode(), .out_handle_bytes = 4}),
      rc::AuthFail));
}

TEST_F(LoadKey2, LoadedKeysGoWithThePower) {
  uint32_t key = w.load(w.keys().sign);
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_TRUE(refused(tpm.sign(key, kKeyAuth, Bytes(20)), rc::InvalidKeyHandle));
}

// ---- TPM_GetPubKey ----

class GetPubKey : public Storage {
 protected:
  client::Reply without_auth(uint32_t key) { return tpm.run({.ordinal = 0x21, .handles = Out().u32(key)}); }
};

TEST_F(GetPubKey, AnswersTheKey) {
  auto pub = tpm.get_pubkey(w.load(w.keys().sign), kKeyAuth);
  ASSERT_TRUE(ok(pub));
  EXPECT_EQ(pub.value.modulus, w.keys().sign.modulus);
  EXPECT_EQ(pub.value.parms.encode(), w.keys().sign.parms.encode());
}

TEST_F(GetPubKey, WithoutAuthorisationOnlyForKeysThatAllowIt) {
  EXPECT_TRUE(refused(without_auth(w.load(w.keys().sign)), rc::AuthFail));
  EXPECT_TRUE(ok(without_auth(w.load(w.keys().open))));
  EXPECT_TRUE(ok(without_auth(w.load(w.keys().no_read_auth))));
}

TEST_F(GetPubKey, TheSrkIsHiddenUntilTheOwnerShowsIt) {
  EXPECT_TRUE(refused(tpm.get_pubkey(kSrk, kSrkAuth), rc::InvalidKeyHandle));
  ASSERT_TRUE(ok(tpm.run_oiap({.ordinal = 0x3f, .params = Out().u32(1).sized(Out().u32(17)).sized({1})}, kOwnerAuth)));
  auto pub = tpm.get_pubkey(kSrk, kSrkAuth);
  ASSERT_TRUE(ok(pub));
  EXPECT_EQ(pub.value.modulus, w.srk().modulus);
}

TEST_F(GetPubKey, RefusesAWrongProofAndNoKey) {
  EXPECT_TRUE(refused(tpm.get_pubkey(w.load(w.keys().sign), kWrong), rc::AuthFail));
  EXPECT_TRUE(refused(tpm.get_pubkey(0x123456, kKeyAuth), rc::InvalidKeyHandle));
}

}  // namespace world
