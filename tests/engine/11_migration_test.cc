// SPDX-License-Identifier: MIT
// Part 3, 11.1-11.4.
#include "tests/engine/migration_client.h"
#include "tests/engine/second_tpm.h"
#include "tests/engine/tpm_test.h"

namespace world {

using client::bytes_of;
using client::kSrk;
using client::Migrating;
using client::Oaep;
using client::PrivateKey;
using client::PubKey;
using client::RsaPair;

class Migration : public OwnedTest {
 protected:
  // Outside any TPM; made once a process.
  static const RsaPair& facility() {
    static const RsaPair pair = client::make_rsa(2048);
    return pair;
  }
  Bytes approved(uint16_t scheme, const PubKey& to) {
    auto answer = client::authorize_migration_key(tpm, kOwnerAuth, scheme, to);
    EXPECT_TRUE(ok(answer));
    return answer.value;
  }
  client::Answer<Migrating> create(uint16_t type, const Bytes& key_auth, const Key& key,
                                   const Digest& auth = kMigrationAuth) {
    return client::create_migration_blob(tpm, kSrk, kSrkAuth, type, key_auth, key.encrypted, auth);
  }
  // A private half under our SRK, whatever it holds.
  Key wrapped(const Bytes& inner) {
    Key key = w.keys().migratable_sign;
    key.encrypted = client::oaep_tcpa(w.srk().pub(), inner);
    return key;
  }
  Migrating to_srk(const Key& key) {
    PubKey srk = client::public_part(w.srk());
    auto made = create(client::kMsMigrate, approved(client::kMsMigrate, srk), key);
    EXPECT_TRUE(ok(made));
    return made.value;
  }
};

// ---- TPM_CreateMigrationBlob, TPM_ConvertMigrationBlob ----

TEST_F(Migration, CarriesAKeyToAnotherTpm) {
  SecondTpm other;
  const Key& key = w.keys().migratable_sign;
  Bytes key_auth = approved(client::kMsMigrate, client::public_part(other.srk));
  auto made = create(client::kMsMigrate, key_auth, key);
  ASSERT_TRUE(ok(made));
  EXPECT_EQ(made.value.random.size(), 198U - 64U);
  auto arrived = client::convert_migration_blob(other.tpm, kSrk, other.srk_auth, made.value);
  ASSERT_TRUE(ok(arrived));

  Key there = key;
  there.encrypted = arrived.value;
  auto loaded = other.tpm.load_key2(kSrk, other.srk_auth, there.encode());
  ASSERT_TRUE(ok(loaded));
  auto signature = other.tpm.sign(loaded.value.handle, kKeyAuth, bytes_of(client::secret("area")));
  ASSERT_TRUE(ok(signature));
  EXPECT_TRUE(client::verify_sha1(key.pub(), client::secret("area"), signature.value));
  // The migration secret came along: the key can go on from there.
  auto on =
      client::authorize_migration_key(other.tpm, other.owner_auth, client::kMsMigrate, client::destination(facility()));
  ASSERT_TRUE(ok(on));
  EXPECT_TRUE(ok(client::create_migration_blob(other.tpm, kSrk, other.srk_auth, client::kMsMigrate, on.value,
                                               there.encrypted, kMigrationAuth)));
}

TEST_F(Migration, HidesTheKeyInOaepWithItsOwnSecrets) {
  auto made = create(client::kMsMigrate, approved(client::kMsMigrate, client::destination(facility())),
                     w.keys().migratable_storage);
  ASSERT_TRUE(ok(made));
  ASSERT_EQ(made.value.random.size(), 198U) << "11.1, 6.c";
  auto padded = client::open_oaep_tcpa(facility(), made.value.blob);
  ASSERT_TRUE(padded.has_value());
  auto parts = client::decode_oaep(client::exclusive_or(*padded, made.value.random));
  ASSERT_TRUE(parts.has_value());
  EXPECT_EQ(parts->label_hash, kMigrationAuth);
  client::In inner(parts->message);
  EXPECT_EQ(inner.u8(), client::kPtMigrate);
  EXPECT_EQ(inner.digest(), kKeyAuth);
  EXPECT_EQ(inner.digest(), client::sha1(w.keys().migratable_storage.encode_public_part()));
  Bytes whole = Out().raw(parts->seed).raw(inner.sized());
  EXPECT_TRUE(inner.done());
  client::In prime(whole);
  EXPECT_EQ(prime.sized().size(), 128U);
  EXPECT_TRUE(prime.done());
}

TEST_F(Migration, RewrapGivesTheStructureAsItIs) {
  auto made =
      create(client::kMsRewrap, approved(client::kMsRewrap, client::destination(facility())), w.keys().migratable_sign);
  ASSERT_TRUE(ok(made));
  EXPECT_TRUE(made.value.random.empty());
  auto plain = client::open_oaep_tcpa(facility(), made.value.blob);
  ASSERT_TRUE(plain.has_value());
  PrivateKey key = PrivateKey::decode(*plain);
  EXPECT_EQ(key.payload, client::kPtAsym);
  EXPECT_EQ(key.migration_auth, kMigrationAuth);
}

TEST_F(Migration, NeedsNoParentSessionWhenTheParentAsksForNone) {
  Key storage = client::storage_key();
  storage.auth_usage = 0;
  auto parent = tpm.create_wrap_key(kSrk, kSrkAuth, storage, kKeyAuth);
  ASSERT_TRUE(ok(parent));
  RsaPair pair = client::make_rsa(1024);
  Key child = client::signing_key();
  child.flags = client::kMigratable;
  child = Key::decode(client::wrap_outside(child, pair, parent.value.pub(), kKeyAuth, kMigrationAuth));
  uint32_t handle = w.load(parent.value);
  Bytes key_auth = approved(client::kMsMigrate, client::destination(facility()));
  client::Command command{.ordinal = 0x28,
                          .handles = Out().u32(handle),
                          .params = Out().u16(client::kMsMigrate).raw(key_auth).sized(child.encrypted),
                          .proofs = {{.session = w.oiap(), .secret = kMigrationAuth}}};
  EXPECT_TRUE(ok(tpm.run(command)));
  command.handles = Out().u32(kSrk);
  command.proofs = {{.session = w.oiap(), .secret = kMigrationAuth}};
  EXPECT_TRUE(refused(tpm.run(command), rc::AuthFail)) << "the SRK asks for one";
}

TEST_F(Migration, CreateRefusesAParentThatStoresNothing) {
  uint32_t bind = w.load(w.keys().bind);
  auto made = client::create_migration_blob(tpm, bind, kKeyAuth, client::kMsMigrate,
                                            approved(client::kMsMigrate, client::destination(facility())),
                                            w.keys().migratable_sign.encrypted, kMigrationAuth);
  EXPECT_TRUE(refused(made, rc::InvalidKeyUsage));
}

TEST_F(Migration, CreateRefusesBytesThatAreNoPrivateKey) {
  Bytes key_auth = approved(client::kMsMigrate, client::destination(facility()));
  Key key = w.keys().migratable_sign;
  key.encrypted[20] ^= 1;
  EXPECT_TRUE(refused(create(client::kMsMigrate, key_auth, key), rc::DecryptError));
  EXPECT_TRUE(refused(create(client::kMsMigrate, key_auth, wrapped(Bytes(30, 1))), rc::InvalidStructure));
}

TEST_F(Migration, CreateRefusesPayloadsThatAreNotForIt) {
  Bytes key_auth = approved(client::kMsMigrate, client::destination(facility()));
  for (uint8_t payload : {client::kPtRestricted, client::kPtExternal}) {
    PrivateKey key{.payload = payload, .migration_auth = kMigrationAuth, .prime = Bytes(64, 3)};
    EXPECT_TRUE(refused(create(client::kMsMigrate, key_auth, wrapped(key.encode())), rc::BadMigration));
  }
}

TEST_F(Migration, CreateWantsTheMigrationSecretInAnOiapSession) {
  Bytes key_auth = approved(client::kMsMigrate, client::destination(facility()));
  EXPECT_TRUE(refused(create(client::kMsMigrate, key_auth, w.keys().migratable_sign, kWrong), rc::Auth2Fail));
  EXPECT_TRUE(refused(create(client::kMsMigrate, key_auth, w.keys().sign), rc::Auth2Fail)) << "its secret is tpmProof";
  client::Command command{.ordinal = 0x28,
                          .handles = Out().u32(kSrk),
                          .params = Out().u16(1).raw(key_auth).sized(w.keys().migratable_sign.encrypted),
                          .proofs = {w.by_srk(), {.session = w.osap_srk()}}};
  EXPECT_TRUE(refused(tpm.run(command), rc::BadMode));
}

TEST_F(Migration, CreateWantsTheOwnersApprovalOfKeyAndScheme) {
  Bytes key_auth = approved(client::kMsMigrate, client::destination(facility()));
  for (size_t at : {key_auth.size() - 1, key_auth.size() - 21, size_t{60}}) {
    Bytes wrong = key_auth;
    wrong[at] ^= 1;
    EXPECT_TRUE(refused(create(client::kMsMigrate, wrong, w.keys().migratable_sign), rc::AuthFail)) << at;
  }
}

TEST_F(Migration, CreateRefusesOtherTypes) {
  Bytes key_auth = approved(client::kMsMigrate, client::destination(facility()));
  for (uint16_t type : std::initializer_list<uint16_t>{0, 3, 4, 5, 6}) {
    EXPECT_TRUE(refused(create(type, key_auth, w.keys().migratable_sign), rc::BadParameter)) << type;
  }
}

TEST_F(Migration, ConvertRefusesWhatItCannotUse) {
  Migrating good = to_srk(w.keys().migratable_sign);
  EXPECT_TRUE(ok(client::convert_migration_blob(tpm, kSrk, kSrkAuth, good)));
  uint32_t bind = w.load(w.keys().bind);
  EXPECT_TRUE(refused(client::convert_migration_blob(tpm, bind, kKeyAuth, good), rc::InvalidKeyUsage));
  Migrating bad = good;
  bad.blob[100] ^= 1;
  EXPECT_TRUE(refused(client::convert_migration_blob(tpm, kSrk, kSrkAuth, bad), rc::DecryptError));
  bad = good;
  bad.random.push_back(0);
  EXPECT_TRUE(refused(client::convert_migration_blob(tpm, kSrk, kSrkAuth, bad), rc::BadParameter));
  EXPECT_TRUE(refused(client::convert_migration_blob(tpm, kSrk, kWrong, good), rc::AuthFail));
}

TEST_F(Migration, ConvertRefusesAnotherKindOfWrapping) {
  auto convert = [&](const Bytes& message, uint8_t mark = 1) {
    Bytes inner = client::encode_oaep({.seed = {0, 0, 0, 64}, .label_hash = kMigrationAuth, .message = message});
    if (mark != 1) inner.resize(30);
    Bytes random(inner.size(), 0x5a);
    Bytes blob = client::oaep_tcpa(w.srk().pub(), client::exclusive_or(inner, random));
    return client::convert_migration_blob(tpm, kSrk, kSrkAuth, {random, blob});
  };
  auto message = [](uint8_t payload, size_t rest) {
    return Out().u8(payload).raw(kKeyAuth).raw(Digest{}).sized(Bytes(rest, 7)).bytes();
  };
  EXPECT_TRUE(ok(convert(message(client::kPtMigrate, 48))));
  EXPECT_TRUE(refused(convert(message(client::kPtCmkMigrate, 48)), rc::BadMigration));
  EXPECT_TRUE(refused(convert(message(client::kPtMaint, 48)), rc::BadMigration));
  EXPECT_TRUE(refused(convert(message(client::kPtMigrate, 47)), rc::InvalidStructure)) << "the key's length says 64";
  EXPECT_TRUE(refused(convert(Bytes(10, 3)), rc::InvalidStructure));
  EXPECT_TRUE(refused(convert(message(client::kPtMigrate, 48), 0), rc::DecryptError)) << "no OAEP";
}

// ---- TPM_AuthorizeMigrationKey ----

TEST_F(Migration, AuthorizeAnswersWithWhatItWasGivenAndADigest) {
  PubKey to = client::destination(facility());
  Bytes one = approved(client::kMsMigrate, to), two = approved(client::kMsRewrap, to);
  client::In in(one);
  EXPECT_EQ(PubKey::decode(in).encode(), to.encode());
  EXPECT_EQ(in.u16(), client::kMsMigrate);
  Digest digest = in.digest();
  EXPECT_TRUE(in.done());
  EXPECT_NE(bytes_of(digest), Bytes(two.end() - 20, two.end()));
}

TEST_F(Migration, AuthorizeRefusesWeakKeysAndOtherSchemes) {
  auto authorize = [&](const PubKey& key) {
    return client::authorize_migration_key(tpm, kOwnerAuth, client::kMsMigrate, key);
  };
  EXPECT_TRUE(refused(authorize(client::destination(client::make_rsa(1024))), rc::BadKeyProperty));
  PubKey key = client::destination(facility());
  key.parms.exponent = {3};
  EXPECT_TRUE(refused(authorize(key), rc::BadKeyProperty));
  key = client::destination(facility());
  key.parms.algorithm = 6;
  EXPECT_TRUE(refused(authorize(key), rc::BadKeyProperty));
  key = client::destination(facility());
  key.parms.enc_scheme = client::kEsPkcs;
  EXPECT_TRUE(refused(authorize(key), rc::InappropriateEnc));
  EXPECT_TRUE(refused(client::authorize_migration_key(tpm, kWrong, 1, client::destination(facility())), rc::AuthFail));
}

// ---- TPM_MigrateKey ----

class MigrateKey : public Migration {
 protected:
  MigrateKey() {
    Key key = client::storage_key();
    key.usage = client::kMigrate;
    auto made = tpm.create_wrap_key(kSrk, kSrkAuth, key, kKeyAuth);
    EXPECT_TRUE(ok(made));
    authority = made.value;
    handle = w.load(authority);
  }
  Migrating to_authority() {
    Bytes key_auth = approved(client::kMsMigrate, client::public_part(authority));
    auto made = create(client::kMsMigrate, key_auth, w.keys().migratable_sign);
    EXPECT_TRUE(ok(made));
    return made.value;
  }
  Key authority;
  uint32_t handle = 0;
};

TEST_F(MigrateKey, PassesABlobOnToItsDestination) {
  Migrating blob = to_authority();
  auto passed = client::migrate_key(tpm, handle, kKeyAuth, client::public_part(w.srk()), blob.blob);
  ASSERT_TRUE(ok(passed));
  auto arrived = client::convert_migration_blob(tpm, kSrk, kSrkAuth, {blob.random, passed.value});
  ASSERT_TRUE(ok(arrived));
  Key key = w.keys().migratable_sign;
  key.encrypted = arrived.value;
  EXPECT_TRUE(ok(tpm.sign(w.load(key), kKeyAuth, Bytes(20, 1))));
}

TEST_F(MigrateKey, RefusesWhatItCannotUse) {
  Migrating blob = to_authority();
  PubKey srk = client::public_part(w.srk());
  uint32_t storage = w.load(w.keys().storage);
  EXPECT_TRUE(refused(client::migrate_key(tpm, storage, kKeyAuth, srk, blob.blob), rc::InvalidKeyUsage));
  EXPECT_TRUE(refused(client::migrate_key(tpm, handle, kWrong, srk, blob.blob), rc::AuthFail));
  Bytes wrong = blob.blob;
  wrong[3] ^= 1;
  EXPECT_TRUE(refused(client::migrate_key(tpm, handle, kKeyAuth, srk, wrong), rc::DecryptError));
  PubKey to = srk;
  to.parms.bits = 1024;
  EXPECT_TRUE(refused(client::migrate_key(tpm, handle, kKeyAuth, to, blob.blob), rc::BadKeyProperty));
  to = srk;
  to.parms.enc_scheme = client::kEsNone;
  EXPECT_TRUE(refused(client::migrate_key(tpm, handle, kKeyAuth, to, blob.blob), rc::InappropriateEnc));
  RsaPair small = client::make_rsa(1024);
  EXPECT_TRUE(
      refused(client::migrate_key(tpm, handle, kKeyAuth, client::destination(small), blob.blob), rc::BadDataSize));
}

}  // namespace world
