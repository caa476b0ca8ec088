// SPDX-License-Identifier: MIT
// Part 3, 12, in a build with it and in one without.
#include "tests/engine/migration_client.h"
#include "tests/engine/second_tpm.h"
#include "tests/engine/tpm_test.h"

namespace world {

using client::bytes_of;
using client::kSrk;
using client::PubKey;
using client::Reply;
using client::RsaPair;

#ifdef WITH_MAINTENANCE
constexpr bool kBuiltIn = true;
#else
constexpr bool kBuiltIn = false;
#endif

class Maintenance : public OwnedTest {
 protected:
  bool allowed(Tpm& of) { return of.get_capability(4, Out().u32(0x108)).value.at(2 + 5) == 1; }
};

TEST_F(Maintenance, IsOfferedAsTheBuildSays) {
  for (uint32_t ordinal = 0x2c; ordinal <= 0x30; ordinal++) {
    EXPECT_EQ(tpm.get_capability(1, Out().u32(ordinal)).value, Bytes{kBuiltIn}) << ordinal;
    EXPECT_EQ(tpm.run(ordinal).code == rc::BadOrdinal, !kBuiltIn) << ordinal;
  }
  EXPECT_EQ(allowed(tpm), kBuiltIn);
  ASSERT_TRUE(ok(tpm.run_oiap({.ordinal = 0x5b}, kOwnerAuth)));
  EXPECT_EQ(allowed(tpm), kBuiltIn);
}

#ifdef WITH_MAINTENANCE

class WithMaintenance : public Maintenance {
 protected:
  static const RsaPair& maker() {
    static const RsaPair pair = client::make_rsa(2048);
    return pair;
  }
  static Reply load_key(Tpm& to, const PubKey& key, const Digest& nonce = client::secret("anti-replay")) {
    return to.run(0x2f, Out().raw(nonce).raw(key.encode()));
  }
  struct Archive {
    Bytes random;
    Key key;
  };
  client::Answer<Archive> create(bool random, const Digest& owner = kOwnerAuth) {
    Reply reply = tpm.run_oiap({.ordinal = 0x2c, .params = Out().u8(random)}, owner);
    if (!reply.ok()) return {reply, {}};
    client::In in(reply.params);
    Archive archive{.random = in.sized()};
    archive.key = Key::decode(in.sized());
    if (!in.done()) reply.defect = "an answer of a wrong length";
    return {reply, archive};
  }
  // What the manufacturer does: from one TPM's archive to another's.
  static Key readdressed(Key key, const Key& srk) {
    auto inner = client::open_oaep_tcpa(maker(), key.encrypted);
    EXPECT_TRUE(inner.has_value());
    key.encrypted = client::oaep_tcpa(srk.pub(), *inner);
    return key;
  }
  static Bytes packet(const Key& key, const Bytes& random, const RsaPair& by = maker()) {
    Bytes content = Out().sized(key.encode()).sized(random);
    return Out().raw(content).sized(client::sign_sha1(by, client::sha1(content)));
  }
  static Reply load(Tpm& to, const Digest& owner, const Bytes& packet) {
    return to.run_oiap({.ordinal = 0x2d, .params = packet}, owner);
  }
  static void enable(Tpm& of, machine::Machine& machine) {
    World::must(of.presence(0x08), "presence");
    World::must(of.run(0x6f), "PhysicalEnable");
    World::must(of.run(0x72, Out().u8(0)), "PhysicalSetDeactivated");
    machine.power_cycle();
    World::must(of.startup(), "Startup");
  }
};

TEST_F(WithMaintenance, TheMakersKeyIsLoadedOnce) {
  PubKey key = client::destination(maker());
  Digest nonce = client::secret("anti-replay");
  EXPECT_TRUE(refused(tpm.run(0x30, Out().raw(nonce)), rc::KeyNotFound));
  Bytes checksum = bytes_of(client::sha1(Out().raw(key.encode()).raw(nonce)));
  Reply reply = load_key(tpm, key);
  ASSERT_TRUE(ok(reply));
  EXPECT_EQ(reply.params, checksum);
  EXPECT_TRUE(refused(load_key(tpm, key), rc::DisabledCmd));
  reply = tpm.run(0x30, Out().raw(nonce));
  ASSERT_TRUE(ok(reply));
  EXPECT_EQ(reply.params, checksum);
  ASSERT_TRUE(ok(tpm.run_oiap({.ordinal = 0x5b}, kOwnerAuth)));
  enable(tpm, w.machine());
  EXPECT_TRUE(refused(load_key(tpm, key), rc::DisabledCmd)) << "6.2, 4.d: it outlives the owner";
}

TEST_F(WithMaintenance, TheMakersKeyIsAStrongOneThatEncrypts) {
  EXPECT_TRUE(refused(load_key(tpm, client::destination(client::make_rsa(1024))), rc::BadKeyProperty));
  EXPECT_TRUE(refused(load_key(tpm, client::verification_key(maker())), rc::BadKeyProperty));
  PubKey short_modulus = client::destination(maker());
  short_modulus.modulus.pop_back();
  EXPECT_TRUE(refused(load_key(tpm, short_modulus), rc::BadKeyProperty));
}

TEST_F(WithMaintenance, ArchiveHoldsTheRootKeyUnderOwnerAndProof) {
  EXPECT_TRUE(refused(create(true), rc::KeyNotFound));
  ASSERT_TRUE(ok(load_key(tpm, client::destination(maker()))));
  auto archive = create(true);
  ASSERT_TRUE(ok(archive));
  EXPECT_EQ(archive.value.key.encode_public_part(), w.srk().encode_public_part());
  ASSERT_EQ(archive.value.random.size(), 198U) << "12.1, 8";
  auto padded = client::open_oaep_tcpa(maker(), archive.value.key.encrypted);
  ASSERT_TRUE(padded.has_value());
  auto parts = client::decode_oaep(client::exclusive_or(*padded, archive.value.random));
  ASSERT_TRUE(parts.has_value());
  EXPECT_EQ(parts->label_hash, kOwnerAuth);
  client::In inner(parts->message);
  EXPECT_EQ(inner.u8(), client::kPtMaint);
  inner.digest();
  EXPECT_EQ(inner.digest(), client::sha1(w.srk().encode_public_part()));
  EXPECT_EQ(tpm.get_capability(4, Out().u32(0x108)).value.at(2 + 18), 1) << "maintenanceDone";
  EXPECT_TRUE(refused(create(true, kWrong), rc::AuthFail));
}

TEST_F(WithMaintenance, MovesATpmToAnotherOne) {
  auto sealed = tpm.seal(kSrk, kSrkAuth, bytes_of("data"), kDataAuth);
  ASSERT_TRUE(ok(sealed));
  ASSERT_TRUE(ok(load_key(tpm, client::destination(maker()))));
  auto archive = create(true);
  ASSERT_TRUE(ok(archive));
  SecondTpm other;
  ASSERT_TRUE(ok(load_key(other.tpm, client::destination(maker()))));
  Key key = readdressed(archive.value.key, other.srk);
  ASSERT_TRUE(ok(load(other.tpm, other.owner_auth, packet(key, archive.value.random))));
  enable(other.tpm, *other.machine_);
  auto opened = other.tpm.unseal(kSrk, kOwnerAuth, sealed.value, kDataAuth);
  ASSERT_TRUE(ok(opened)) << "root key and tpmProof are those of the first TPM, the secret that of its owner";
  EXPECT_EQ(opened.value, bytes_of("data"));
  EXPECT_TRUE(ok(other.tpm.run_oiap({.ordinal = 0x5b}, kOwnerAuth)));
}

TEST_F(WithMaintenance, APadOfTheOwnersSecretIsForTheSameOwner) {
  ASSERT_TRUE(ok(load_key(tpm, client::destination(maker()))));
  auto archive = create(false);
  ASSERT_TRUE(ok(archive));
  EXPECT_TRUE(archive.value.random.empty());
  Key key = readdressed(archive.value.key, w.srk());
  EXPECT_TRUE(ok(load(tpm, kOwnerAuth, packet(key, {}))));
}

TEST_F(WithMaintenance, LoadRefusesWhatIsNotTheMakers) {
  ASSERT_TRUE(ok(load_key(tpm, client::destination(maker()))));
  auto archive = create(true);
  ASSERT_TRUE(ok(archive));
  const Key good = readdressed(archive.value.key, w.srk());
  const Bytes& random = archive.value.random;
  EXPECT_TRUE(refused(load(tpm, kWrong, packet(good, random)), rc::AuthFail));
  EXPECT_TRUE(refused(load(tpm, kOwnerAuth, packet(good, random, client::make_rsa(2048))), rc::BadSignature));
  Key key = good;
  key.encrypted[9] ^= 1;
  EXPECT_TRUE(refused(load(tpm, kOwnerAuth, packet(key, random)), rc::DecryptError));
  Bytes longer = random;
  longer.push_back(1);
  EXPECT_TRUE(refused(load(tpm, kOwnerAuth, packet(good, longer)), rc::BadParameter));
  key = good;
  key.flags ^= client::kIgnorePcrOnRead;
  EXPECT_TRUE(refused(load(tpm, kOwnerAuth, packet(key, random)), rc::Fail)) << "the digest of the public part";
  Bytes inner =
      client::encode_oaep({.seed = {0, 0, 0, 128},
                           .message = Out().u8(client::kPtMigrate).raw(Digest{}).raw(Digest{}).sized(Bytes(112, 1))});
  key = good;
  key.encrypted = client::oaep_tcpa(w.srk().pub(), client::exclusive_or(inner, Bytes(inner.size(), 2)));
  EXPECT_TRUE(refused(load(tpm, kOwnerAuth, packet(key, Bytes(inner.size(), 2))), rc::BadMigration));
  EXPECT_TRUE(ok(tpm.seal(kSrk, kSrkAuth, bytes_of("still ours"), kDataAuth)));
}

TEST_F(WithMaintenance, LoadWantsTheMakersKey) {
  EXPECT_TRUE(refused(load(tpm, kOwnerAuth, packet(w.srk(), {})), rc::KeyNotFound));
}

TEST_F(WithMaintenance, IsKilledUntilTheOwnerGoes) {
  ASSERT_TRUE(ok(load_key(tpm, client::destination(maker()))));
  EXPECT_TRUE(refused(tpm.run_oiap({.ordinal = 0x2e}, kWrong), rc::AuthFail));
  ASSERT_TRUE(ok(tpm.run_oiap({.ordinal = 0x2e}, kOwnerAuth)));
  EXPECT_FALSE(allowed(tpm));
  EXPECT_TRUE(refused(create(true), rc::DisabledCmd));
  ASSERT_TRUE(ok(tpm.run_oiap({.ordinal = 0x5b}, kOwnerAuth)));
  EXPECT_TRUE(allowed(tpm));
}

#endif

}  // namespace world
