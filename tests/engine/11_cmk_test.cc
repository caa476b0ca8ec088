// SPDX-License-Identifier: MIT
// Part 3, 11.5-11.10, and what the rest of Part 3 says of certified migratable keys.
#include "tests/engine/delegation_client.h"
#include "tests/engine/migration_client.h"
#include "tests/engine/second_tpm.h"
#include "tests/engine/tpm_test.h"

namespace world {

using client::bytes_of;
using client::CmkArrival;
using client::CmkBlobRequest;
using client::kSrk;
using client::Migrating;
using client::PrivateKey;
using client::PubKey;
using client::RsaPair;

// A migration authority that signs approvals, one that takes keys itself, and a key that both may move.
class Cmk : public OwnedTest {
 protected:
  static const RsaPair& signer() {
    static const RsaPair pair = client::make_rsa(2048);
    return pair;
  }
  static const RsaPair& taker() {
    static const RsaPair pair = client::make_rsa(2048);
    return pair;
  }
  static PubKey signer_key() { return client::verification_key(signer()); }
  static PubKey taker_key() { return client::destination(taker()); }
  static Bytes msa() {
    return client::msa_composite({client::digest_of(taker_key()), client::digest_of(signer_key())});
  }
  static Digest msa_digest() { return client::sha1(msa()); }

  static Key template_key() {
    Key key = client::signing_key();
    key.key12 = true;
    key.flags = client::kMigratable | client::kMigrateAuthority;
    return key;
  }
  Digest approval(const Digest& digest = msa_digest()) {
    auto answer = client::cmk_approve_ma(tpm, kOwnerAuth, digest);
    EXPECT_TRUE(ok(answer));
    return answer.value;
  }
  client::Answer<Key> create(const Key& key) {
    return client::cmk_create_key(tpm, kSrk, kSrkAuth, key, kKeyAuth, approval(), msa_digest());
  }
  Key made() {
    auto key = create(template_key());
    EXPECT_TRUE(ok(key));
    return key.value;
  }
  Bytes approved(uint16_t scheme, const PubKey& to) {
    auto answer = client::authorize_migration_key(tpm, kOwnerAuth, scheme, to);
    EXPECT_TRUE(ok(answer));
    return answer.value;
  }
  static Digest source(const Key& key) { return client::digest_of(client::public_part(key)); }
  static Bytes ticket_for(const Key& key, const PubKey& to) {
    return client::cmk_auth(client::digest_of(signer_key()), client::digest_of(to), source(key));
  }
  // The TPM's word that the signer has approved.
  static Digest seen(Tpm& tpm, const Digest& owner, const Bytes& restrict_ticket) {
    Digest digest = client::sha1(restrict_ticket);
    auto answer = client::cmk_create_ticket(tpm, owner, signer_key(), digest, client::sign_sha1(signer(), digest));
    EXPECT_TRUE(ok(answer));
    return answer.value;
  }
  CmkBlobRequest request(const Key& key, const PubKey& to) {
    Bytes ticket = ticket_for(key, to);
    return {.key_auth = approved(client::kMsRestrictApprove, to),
            .source = source(key),
            .msa_list = msa(),
            .restrict_ticket = ticket,
            .sig_ticket = bytes_of(seen(tpm, kOwnerAuth, ticket)),
            .encrypted = key.encrypted};
  }
  client::Answer<Migrating> blob(const CmkBlobRequest& request) {
    return client::cmk_create_blob(tpm, kSrk, kSrkAuth, request);
  }
  // A CMK on its way to this very SRK.
  CmkArrival arrival(const Key& key) {
    PubKey srk = client::public_part(w.srk());
    auto moving = blob(request(key, srk));
    EXPECT_TRUE(ok(moving));
    Key there = key;
    there.encrypted = moving.value.blob;
    Bytes ticket = ticket_for(key, srk);
    return {.restrict_ticket = ticket,
            .sig_ticket = seen(tpm, kOwnerAuth, ticket),
            .key = there,
            .msa_list = msa(),
            .random = moving.value.random};
  }
  client::Answer<Bytes> convert(const CmkArrival& from) {
    return client::cmk_convert_migration(tpm, kSrk, kSrkAuth, from);
  }
  client::Reply certify(Tpm& by, const Digest& srk_auth, const Key& key, const Key& cert, const Digest& digest) {
    auto key_handle = by.load_key2(kSrk, srk_auth, key.encode());
    EXPECT_TRUE(ok(key_handle));
    auto cert_handle = by.load_key2(kSrk, srk_auth, cert.encode());
    EXPECT_TRUE(ok(cert_handle));
    auto first = by.oiap(), second = by.oiap();
    return by.run(
        {.ordinal = 0x33,
         .handles = Out().u32(key_handle.value.handle).u32(cert_handle.value.handle),
         .params = Out().raw(digest).raw(client::secret("replay")),
         .proofs = {{.session = &first.value, .secret = kKeyAuth}, {.session = &second.value, .secret = kKeyAuth}}});
  }
};

// ---- TPM_CMK_CreateKey, and the key it makes ----

TEST_F(Cmk, IsMadeLoadedAndUsed) {
  Key key = made();
  EXPECT_TRUE(key.key12);
  EXPECT_EQ(key.flags, template_key().flags);
  auto signature = tpm.sign(w.load(key), kKeyAuth, bytes_of(client::secret("area")));
  ASSERT_TRUE(ok(signature));
  EXPECT_TRUE(client::verify_sha1(key.pub(), client::secret("area"), signature.value));
}

TEST_F(Cmk, CertifyKey2NamesItsAuthorities) {
  Key key = made();
  auto reply = certify(tpm, kSrkAuth, key, w.keys().identity, msa_digest());
  ASSERT_TRUE(ok(reply));
  client::In in(reply.params);
  Out expected;
  expected.u16(0x29).u8(0).u8(client::kPtRestricted).u16(key.usage).u32(key.flags).u8(1).raw(key.parms.encode());
  expected.raw(client::sha1(key.modulus)).raw(client::secret("replay")).u8(0).sized({});
  expected.sized(bytes_of(client::sha1(Out().raw(msa_digest()).u8(client::kPtRestricted))));
  Bytes info = in.raw(expected.bytes().size());
  EXPECT_EQ(info, expected.bytes());
  EXPECT_TRUE(client::verify_sha1(w.keys().identity.pub(), client::sha1(info), in.sized()));
}

TEST_F(Cmk, CertifyKey2RefusesOtherAuthorities) {
  EXPECT_TRUE(refused(certify(tpm, kSrkAuth, made(), w.keys().sign, client::secret("other")), rc::MaSource));
}

TEST_F(Cmk, CertifyKeyCertifiesNone) {
  uint32_t cert = w.load(w.keys().sign);
  uint32_t key = w.load(made());
  EXPECT_TRUE(refused(tpm.run({.ordinal = 0x32,
                               .handles = Out().u32(cert).u32(key),
                               .params = Out().raw(client::secret("replay")),
                               .proofs = {w.by_key(), w.by_key()}}),
                      rc::InvalidKeyUsage));
}

TEST_F(Cmk, ItsSecretCanBeChanged) {
  Key key = made();
  Session* by_parent = w.osap_srk();
  Out params;
  params.u16(4).raw(client::hide_even(*by_parent, kDataAuth)).u16(client::kEtKey).sized(key.encrypted);
  auto reply = tpm.run({.ordinal = 0x0c,
                        .handles = Out().u32(kSrk),
                        .params = params,
                        .proofs = {{.session = by_parent}, {.session = w.oiap(), .secret = kKeyAuth}}});
  ASSERT_TRUE(ok(reply));
  key.encrypted = client::In(reply.params).sized();
  EXPECT_TRUE(ok(tpm.sign(w.load(key), kDataAuth, Bytes(20, 1))));
}

TEST_F(Cmk, CreateKeyRefusesOtherKeys) {
  auto with = [&](auto change) {
    Key key = template_key();
    change(key);
    return create(key);
  };
  EXPECT_TRUE(refused(with([](Key& k) { k.parms.bits = 1000; }), rc::BadKeyProperty));
  EXPECT_TRUE(refused(with([](Key& k) { k.flags = client::kMigrateAuthority; }), rc::InvalidKeyUsage));
  EXPECT_TRUE(refused(with([](Key& k) { k.flags = client::kMigratable; }), rc::InvalidKeyUsage));
  EXPECT_TRUE(refused(with([](Key& k) { k.key12 = false; }), rc::InvalidStructure));
  EXPECT_TRUE(refused(with([](Key& k) {
                        k.usage = client::kIdentity;
                        k.parms.bits = 2048;
                      }),
                      rc::InvalidKeyUsage));
  EXPECT_TRUE(refused(with([](Key& k) {
                        k.usage = client::kAuthChange;
                        k.parms.enc_scheme = client::kEsOaep;
                        k.parms.sig_scheme = client::kSsNone;
                      }),
                      rc::InvalidKeyUsage));
}

TEST_F(Cmk, CreateKeyWantsTheOwnersApproval) {
  EXPECT_TRUE(refused(client::cmk_create_key(tpm, kSrk, kSrkAuth, template_key(), kKeyAuth,
                                             approval(client::secret("other")), msa_digest()),
                      rc::MaAuthority));
}

TEST_F(Cmk, CreateKeyWantsAParentThatStays) {
  uint32_t migratable = w.load(w.keys().migratable_storage);
  uint32_t bind = w.load(w.keys().bind);
  for (uint32_t parent : {migratable, bind}) {
    EXPECT_TRUE(
        refused(client::cmk_create_key(tpm, parent, kKeyAuth, template_key(), kKeyAuth, approval(), msa_digest()),
                rc::InvalidKeyUsage));
  }
}

TEST_F(Cmk, CreateKeyWantsAnOsapSession) {
  Out params;
  params.raw(Digest{}).raw(template_key().encode()).raw(approval()).raw(msa_digest());
  EXPECT_TRUE(refused(tpm.run({.ordinal = 0x13, .handles = Out().u32(kSrk), .params = params, .proofs = {w.by_srk()}}),
                      rc::BadMode));
}

TEST_F(Cmk, CreateWrapKeyMakesNone) {
  EXPECT_TRUE(
      refused(tpm.create_wrap_key(kSrk, kSrkAuth, template_key(), kKeyAuth, kMigrationAuth), rc::InvalidKeyUsage));
}

TEST_F(Cmk, CreateMigrationBlobMovesNone) {
  Bytes key_auth = approved(client::kMsMigrate, taker_key());
  EXPECT_TRUE(refused(client::create_migration_blob(tpm, kSrk, kSrkAuth, client::kMsMigrate, key_auth, made().encrypted,
                                                    kMigrationAuth),
                      rc::BadMigration));
}

// ---- TPM_CMK_SetRestrictions, TPM_CMK_ApproveMA ----

TEST_F(Cmk, RestrictionsLastUntilTheOwnerGoes) {
  auto restrictions = [&] { return tpm.get_capability(5, Out().u32(0x11f)).value; };
  EXPECT_EQ(restrictions(), Out().u32(0).bytes());
  ASSERT_TRUE(ok(client::cmk_set_restrictions(tpm, kOwnerAuth, 0xf8000000)));
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_EQ(restrictions(), Out().u32(0xf8000000).bytes());
  EXPECT_TRUE(refused(client::cmk_set_restrictions(tpm, kWrong, 0), rc::AuthFail));
  ASSERT_TRUE(ok(tpm.run_oiap({.ordinal = 0x5b}, kOwnerAuth)));
  EXPECT_EQ(restrictions(), Out().u32(0).bytes());
}

TEST_F(Cmk, ApprovalsAreTheSameForTheSameAuthoritiesOnly) {
  EXPECT_EQ(approval(), approval());
  EXPECT_NE(approval(), approval(client::secret("other")));
  SecondTpm other;
  EXPECT_NE(client::cmk_approve_ma(other.tpm, other.owner_auth, msa_digest()).value, approval());
}

// Part 2, 5.17: what a delegated session may do with a CMK is the owner's to say, by usage.
TEST_F(Cmk, ADelegateUsesItAsTheRestrictionsSay) {
  constexpr uint32_t kKeySign = 1U << 14;
  uint32_t key = w.load(made());
  client::Reply family = tpm.run_oiap(client::manage(0, client::kFamilyCreate, {'f'}), kOwnerAuth);
  ASSERT_TRUE(ok(family));
  client::In id(family.params);
  id.u32();
  client::DelegatePublic pub{.type = client::kKeyBits, .per1 = kKeySign, .family = id.u32()};
  ASSERT_TRUE(ok(tpm.run_oiap(client::manage(pub.family, client::kFamilyEnable, {1}), kOwnerAuth)));
  Digest lent = client::secret("lent");
  Session* session = w.osap_key(key);
  client::Command create = client::create_key_delegation(key, pub, *session, lent);
  create.proofs = {{.session = session}};
  client::Reply delegated = tpm.run(create);
  ASSERT_TRUE(ok(delegated));
  Bytes blob = client::In(delegated.params).sized();

  client::Command sign{
      .ordinal = 0x3c, .handles = Out().u32(key), .params = Out().sized(bytes_of(client::secret("area")))};
  auto by_delegate = [&] {
    auto dsap = client::dsap(tpm, client::kEtDelKeyBlob, key, blob, lent);
    EXPECT_TRUE(ok(dsap));
    sign.proofs = {{.session = &dsap.value}};
    return tpm.run(sign);
  };
  EXPECT_TRUE(refused(by_delegate(), rc::InvalidKeyUsage));
  ASSERT_TRUE(ok(client::cmk_set_restrictions(tpm, kOwnerAuth, 0x78000000)));
  EXPECT_TRUE(refused(by_delegate(), rc::InvalidKeyUsage)) << "every usage but signing";
  ASSERT_TRUE(ok(client::cmk_set_restrictions(tpm, kOwnerAuth, 0x80000000)));
  EXPECT_TRUE(ok(by_delegate()));
  ASSERT_TRUE(ok(client::cmk_set_restrictions(tpm, kOwnerAuth, 0)));
  EXPECT_TRUE(refused(by_delegate(), rc::InvalidKeyUsage));
  EXPECT_TRUE(ok(tpm.sign(key, kKeyAuth, bytes_of(client::secret("area"))))) << "its user is not restricted";
}

// ---- TPM_CMK_CreateTicket ----

TEST_F(Cmk, CreateTicketVerifiesTheSignature) {
  Digest data = client::secret("data");
  Bytes signature = client::sign_sha1(signer(), data);
  auto ticket = [&](const PubKey& key, const Digest& signed_data, const Bytes& value) {
    return client::cmk_create_ticket(tpm, kOwnerAuth, key, signed_data, value);
  };
  EXPECT_TRUE(ok(ticket(signer_key(), data, signature)));
  EXPECT_TRUE(ok(ticket(client::verification_key(signer(), client::kSsInfo), data, signature)));
  EXPECT_TRUE(refused(ticket(signer_key(), client::secret("other"), signature), rc::BadSignature));
  Bytes wrong = signature;
  wrong[9] ^= 1;
  EXPECT_TRUE(refused(ticket(signer_key(), data, wrong), rc::BadSignature));
  EXPECT_TRUE(refused(ticket(client::verification_key(taker()), data, signature), rc::BadSignature));
  EXPECT_TRUE(refused(client::cmk_create_ticket(tpm, kWrong, signer_key(), data, signature), rc::AuthFail));
}

TEST_F(Cmk, CreateTicketRefusesOtherKeys) {
  auto ticket = [&](auto change) {
    PubKey key = signer_key();
    change(key);
    return client::cmk_create_ticket(tpm, kOwnerAuth, key, Digest{}, Bytes(256));
  };
  EXPECT_TRUE(refused(ticket([](PubKey& k) { k.parms.algorithm = 6; }), rc::BadKeyProperty));
  EXPECT_TRUE(refused(ticket([](PubKey& k) { k.parms.enc_scheme = client::kEsOaep; }), rc::InappropriateEnc));
  EXPECT_TRUE(refused(ticket([](PubKey& k) { k.parms.sig_scheme = client::kSsDer; }), rc::InvalidKeyUsage));
  EXPECT_TRUE(refused(ticket([](PubKey& k) { k.modulus.pop_back(); }), rc::BadKeyProperty));
}

// ---- TPM_CMK_CreateBlob, TPM_CMK_ConvertMigration ----

TEST_F(Cmk, GoesToAnotherTpmWithAnAuthoritysApproval) {
  SecondTpm other;
  Key key = made();
  PubKey to = client::public_part(other.srk);
  auto moving = blob(request(key, to));
  ASSERT_TRUE(ok(moving));
  Key there = key;
  there.encrypted = moving.value.blob;
  Bytes ticket = ticket_for(key, to);
  CmkArrival from{.restrict_ticket = ticket,
                  .sig_ticket = seen(other.tpm, other.owner_auth, ticket),
                  .key = there,
                  .msa_list = msa(),
                  .random = moving.value.random};
  auto arrived = client::cmk_convert_migration(other.tpm, kSrk, other.srk_auth, from);
  ASSERT_TRUE(ok(arrived));
  there.encrypted = arrived.value;
  auto loaded = other.tpm.load_key2(kSrk, other.srk_auth, there.encode());
  ASSERT_TRUE(ok(loaded));
  auto signature = other.tpm.sign(loaded.value.handle, kKeyAuth, bytes_of(client::secret("area")));
  ASSERT_TRUE(ok(signature));
  EXPECT_TRUE(client::verify_sha1(key.pub(), client::secret("area"), signature.value));

  // There it is one from elsewhere, and still under the same authorities.
  auto cert = other.tpm.create_wrap_key(kSrk, other.srk_auth, client::signing_key(), kKeyAuth);
  ASSERT_TRUE(ok(cert));
  auto reply = certify(other.tpm, other.srk_auth, there, cert.value, msa_digest());
  ASSERT_TRUE(ok(reply));
  EXPECT_EQ(reply.params.at(3), client::kPtExternal);
}

TEST_F(Cmk, GoesToAnAuthorityItself) {
  Key key = made();
  CmkBlobRequest to{.key_auth = approved(client::kMsRestrictMigrate, taker_key()),
                    .source = source(key),
                    .msa_list = msa(),
                    .encrypted = key.encrypted};
  auto moving = blob(to);
  ASSERT_TRUE(ok(moving));
  auto padded = client::open_oaep_tcpa(taker(), moving.value.blob);
  ASSERT_TRUE(padded.has_value());
  auto parts = client::decode_oaep(client::exclusive_or(*padded, moving.value.random));
  ASSERT_TRUE(parts.has_value());
  EXPECT_EQ(parts->label_hash, client::sha1(Out().raw(msa_digest()).raw(source(key)))) << "11.9, 13.b";
  client::In in(parts->message);
  EXPECT_EQ(in.u8(), client::kPtCmkMigrate);
  EXPECT_EQ(in.digest(), kKeyAuth);
  EXPECT_EQ(in.digest(), client::sha1(key.encode_public_part()));

  CmkBlobRequest wrong = to;
  wrong.restrict_ticket = Bytes(60);
  EXPECT_TRUE(refused(blob(wrong), rc::BadParameter)) << "8.c";
  wrong = to;
  wrong.sig_ticket = Bytes(20);
  EXPECT_TRUE(refused(blob(wrong), rc::BadParameter)) << "8.d";
  wrong = to;
  wrong.key_auth = approved(client::kMsRestrictMigrate, client::public_part(w.srk()));
  EXPECT_TRUE(refused(blob(wrong), rc::MaTicketSignature)) << "8.a";
}

TEST_F(Cmk, CreateBlobRefusesAnAuthorityOfAnotherKind) {
  PubKey signs = taker_key();
  signs.parms.sig_scheme = client::kSsSha1;
  Bytes list = client::msa_composite({client::digest_of(signs)});
  auto allowed = client::cmk_approve_ma(tpm, kOwnerAuth, client::sha1(list));
  auto key = client::cmk_create_key(tpm, kSrk, kSrkAuth, template_key(), kKeyAuth, allowed.value, client::sha1(list));
  ASSERT_TRUE(ok(key));
  EXPECT_TRUE(refused(blob({.key_auth = approved(client::kMsRestrictMigrate, signs),
                            .source = source(key.value),
                            .msa_list = list,
                            .encrypted = key.value.encrypted}),
                      rc::InvalidKeyUsage));
}

TEST_F(Cmk, CreateBlobRefusesWhatWasNotApproved) {
  Key key = made();
  PubKey srk = client::public_part(w.srk());
  const CmkBlobRequest good = request(key, srk);
  EXPECT_TRUE(ok(blob(good)));
  CmkBlobRequest wrong = good;
  wrong.key_auth.back() ^= 1;
  EXPECT_TRUE(refused(blob(wrong), rc::AuthFail)) << "5";
  wrong = good;
  wrong.key_auth = approved(client::kMsMigrate, srk);
  EXPECT_TRUE(refused(blob(wrong), rc::BadParameter)) << "10";
  wrong = good;
  wrong.msa_list = client::msa_composite({client::digest_of(signer_key())});
  EXPECT_TRUE(refused(blob(wrong), rc::MaAuthority)) << "7.b";
  wrong = good;
  wrong.source[0] ^= 1;
  EXPECT_TRUE(refused(blob(wrong), rc::MaAuthority)) << "7.b";
  wrong = good;
  wrong.sig_ticket[0] ^= 1;
  EXPECT_TRUE(refused(blob(wrong), rc::MaTicketSignature)) << "9.a.i";
  wrong = good;
  wrong.restrict_ticket = client::cmk_auth(Digest{}, client::digest_of(taker_key()), source(key));
  wrong.sig_ticket = bytes_of(seen(tpm, kOwnerAuth, wrong.restrict_ticket));
  EXPECT_TRUE(refused(blob(wrong), rc::MaDestination)) << "9.a.ii";
  wrong.restrict_ticket = client::cmk_auth(Digest{}, client::digest_of(srk), Digest{});
  wrong.sig_ticket = bytes_of(seen(tpm, kOwnerAuth, wrong.restrict_ticket));
  EXPECT_TRUE(refused(blob(wrong), rc::MaSource)) << "9.a.iii";
  wrong.restrict_ticket = Bytes(59, 1);
  wrong.sig_ticket = bytes_of(seen(tpm, kOwnerAuth, wrong.restrict_ticket));
  EXPECT_TRUE(refused(blob(wrong), rc::InvalidStructure));
}

TEST_F(Cmk, CreateBlobRefusesOtherKeysListsAndParents) {
  Key key = made();
  const CmkBlobRequest good = request(key, client::public_part(w.srk()));
  CmkBlobRequest wrong = good;
  wrong.encrypted = w.keys().migratable_sign.encrypted;
  EXPECT_TRUE(refused(blob(wrong), rc::InvalidStructure)) << "6: not a CMK";
  wrong = good;
  wrong.encrypted[7] ^= 1;
  EXPECT_TRUE(refused(blob(wrong), rc::DecryptError));
  wrong = good;
  wrong.encrypted = client::oaep_tcpa(w.srk().pub(), Bytes(40, 6));
  EXPECT_TRUE(refused(blob(wrong), rc::InvalidStructure));
  wrong = good;
  wrong.msa_list = client::msa_composite({});
  EXPECT_TRUE(refused(blob(wrong), rc::InvalidStructure));
  wrong.msa_list = Out().u32(2).raw(Digest{});
  EXPECT_TRUE(refused(blob(wrong), rc::InvalidStructure));
  uint32_t migratable = w.load(w.keys().migratable_storage);
  uint32_t bind = w.load(w.keys().bind);
  EXPECT_TRUE(refused(client::cmk_create_blob(tpm, migratable, kKeyAuth, good), rc::InvalidKeyUsage));
  EXPECT_TRUE(refused(client::cmk_create_blob(tpm, bind, kKeyAuth, good), rc::InvalidKeyUsage));
  EXPECT_TRUE(refused(client::cmk_create_blob(tpm, kSrk, kWrong, good), rc::AuthFail));
}

TEST_F(Cmk, ConvertRefusesWhatWasNotApproved) {
  Key key = made();
  const CmkArrival good = arrival(key);
  ASSERT_TRUE(ok(convert(good)));
  auto ticketed = [&](const Bytes& ticket) {
    CmkArrival from = good;
    from.restrict_ticket = ticket;
    from.sig_ticket = seen(tpm, kOwnerAuth, ticket);
    return from;
  };
  CmkArrival wrong = good;
  wrong.sig_ticket[0] ^= 1;
  EXPECT_TRUE(refused(convert(wrong), rc::MaTicketSignature)) << "11";
  Digest srk = client::digest_of(client::public_part(w.srk()));
  EXPECT_TRUE(refused(convert(ticketed(client::cmk_auth(Digest{}, Digest{}, source(key)))), rc::MaDestination)) << "13";
  EXPECT_TRUE(refused(convert(ticketed(client::cmk_auth(Digest{}, srk, Digest{}))), rc::MaSource)) << "17";
  wrong = good;
  wrong.msa_list = client::msa_composite({client::digest_of(signer_key())});
  EXPECT_TRUE(refused(convert(wrong), rc::AuthFail)) << "6.a";
  wrong.msa_list = client::msa_composite({});
  EXPECT_TRUE(refused(convert(wrong), rc::InvalidStructure));
}

TEST_F(Cmk, ConvertRefusesAnotherBlobOrKey) {
  const CmkArrival good = arrival(made());
  CmkArrival wrong = good;
  wrong.key.encrypted[50] ^= 1;
  EXPECT_TRUE(refused(convert(wrong), rc::DecryptError)) << "3";
  wrong = good;
  wrong.random.push_back(1);
  EXPECT_TRUE(refused(convert(wrong), rc::BadParameter));
  wrong = good;
  wrong.key.modulus[3] ^= 1;
  EXPECT_TRUE(refused(convert(wrong), rc::AuthFail)) << "6.a: another public key";
  for (uint32_t flags : {client::kMigratable, client::kMigrateAuthority}) {
    wrong = good;
    wrong.key.flags = flags;
    EXPECT_TRUE(refused(convert(wrong), rc::BadMigration)) << "14: the digest of the public part has the flags";
  }
}

TEST_F(Cmk, ConvertRefusesAWrappingOfItsOwnMaking) {
  // A blob that claims flags and payload as its maker likes, which no TPM would make.
  auto forged = [&](uint32_t flags, uint8_t payload) {
    RsaPair pair = client::make_rsa(1024);
    Key key = template_key();
    key.flags = flags;
    key.modulus = pair.pub.modulus;
    Bytes whole = Out().sized(pair.prime);
    client::Oaep parts{.label_hash = client::sha1(Out().raw(msa_digest()).raw(source(key)))};
    std::copy_n(whole.begin(), 20, parts.seed.begin());
    parts.message = Out()
                        .u8(payload)
                        .raw(kKeyAuth)
                        .raw(client::sha1(key.encode_public_part()))
                        .sized(Bytes(whole.begin() + 20, whole.end()));
    Bytes inner = client::encode_oaep(parts);
    Bytes random(inner.size(), 0x33);
    key.encrypted = client::oaep_tcpa(w.srk().pub(), client::exclusive_or(inner, random));
    Bytes ticket = ticket_for(key, client::public_part(w.srk()));
    return convert({.restrict_ticket = ticket,
                    .sig_ticket = seen(tpm, kOwnerAuth, ticket),
                    .key = key,
                    .msa_list = msa(),
                    .random = random});
  };
  uint32_t both = client::kMigratable | client::kMigrateAuthority;
  EXPECT_TRUE(ok(forged(both, client::kPtCmkMigrate)));
  EXPECT_TRUE(refused(forged(both, client::kPtMigrate), rc::BadMigration)) << "10";
  EXPECT_TRUE(refused(forged(client::kMigrateAuthority, client::kPtCmkMigrate), rc::InvalidKeyUsage)) << "15";
  EXPECT_TRUE(refused(forged(client::kMigratable, client::kPtCmkMigrate), rc::InvalidKeyUsage)) << "16";
}

TEST_F(Cmk, ConvertWantsAParentThatStays) {
  const CmkArrival good = arrival(made());
  uint32_t bind = w.load(w.keys().bind);
  EXPECT_TRUE(refused(client::cmk_convert_migration(tpm, bind, kKeyAuth, good), rc::InvalidKeyUsage)) << "2";

  Key key = made();
  PubKey to = client::public_part(w.keys().migratable_storage);
  auto moving = blob(request(key, to));
  ASSERT_TRUE(ok(moving));
  Key there = key;
  there.encrypted = moving.value.blob;
  Bytes ticket = ticket_for(key, to);
  CmkArrival from{.restrict_ticket = ticket,
                  .sig_ticket = seen(tpm, kOwnerAuth, ticket),
                  .key = there,
                  .msa_list = msa(),
                  .random = moving.value.random};
  uint32_t parent = w.load(w.keys().migratable_storage);
  EXPECT_TRUE(refused(client::cmk_convert_migration(tpm, parent, kKeyAuth, from), rc::InvalidKeyUsage)) << "9";
}

}  // namespace world
