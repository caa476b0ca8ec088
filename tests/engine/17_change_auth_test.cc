// SPDX-License-Identifier: MIT
#include "tests/engine/tpm_test.h"

namespace world {

using client::bytes_of;
using client::kEtKey;
using client::kEtOwner;
using client::kEtSrk;
using client::kSrk;
using client::Reply;

constexpr uint16_t kAdcp = 4;
constexpr uint16_t kEtData = 3;

// ---- TPM_ChangeAuth ----

class ChangeAuth : public OwnedTest {
 protected:
  const Digest kNew = client::secret("new");

  Reply change(uint32_t parent, const Proof& by_parent, const Proof& by_entity, uint16_t type, const Bytes& encrypted,
               uint16_t protocol = kAdcp) {
    Out params;
    params.u16(protocol).raw(client::hide_even(*by_parent.session, kNew)).u16(type).sized(encrypted);
    return tpm.run({.ordinal = 0x0c, .handles = Out().u32(parent), .params = params, .proofs = {by_parent, by_entity}});
  }
  Reply change_key(const Bytes& encrypted, uint16_t type = kEtKey, uint16_t protocol = kAdcp) {
    return change(kSrk, {.session = w.osap_srk()}, w.by_key(), type, encrypted, protocol);
  }
  Proof by_data() { return {.session = w.oiap(), .secret = kDataAuth}; }
  // TPM_STORED_DATA in its parts.
  struct Stored {
    Bytes head;
    Bytes encrypted;
  };
  Stored sealed(const Bytes& data) {
    auto blob = tpm.seal(kSrk, kSrkAuth, data, kDataAuth);
    World::must(blob.reply, "Seal");
    client::In in(blob.value);
    Bytes head = in.raw(4);
    return {Out().raw(head).sized(in.sized()), in.sized()};
  }
};

TEST_F(ChangeAuth, GivesAKeyANewSecret) {
  Reply reply = change_key(w.keys().sign.encrypted);
  ASSERT_TRUE(ok(reply));
  Key key = w.keys().sign;
  client::In in(reply.params);
  key.encrypted = in.sized();
  EXPECT_TRUE(in.done());
  EXPECT_NE(key.encrypted, w.keys().sign.encrypted);
  uint32_t handle = w.load(key);
  auto signature = tpm.sign(handle, kNew, bytes_of(client::secret("area")));
  ASSERT_TRUE(ok(signature));
  EXPECT_TRUE(client::verify_sha1(key.pub(), client::secret("area"), signature.value));
  EXPECT_TRUE(refused(tpm.sign(handle, kKeyAuth, Bytes(20)), rc::AuthFail));
}

TEST_F(ChangeAuth, LeavesTheOldBlobAsItWas) {
  ASSERT_TRUE(ok(change_key(w.keys().sign.encrypted)));
  EXPECT_TRUE(ok(tpm.sign(w.load(w.keys().sign), kKeyAuth, Bytes(20))));
}

TEST_F(ChangeAuth, GivesSealedDataANewSecret) {
  Stored stored = sealed(bytes_of("sealed"));
  Reply reply = change(kSrk, {.session = w.osap_srk()}, by_data(), kEtData, stored.encrypted);
  ASSERT_TRUE(ok(reply));
  Bytes blob = Out().raw(stored.head).sized(client::In(reply.params).sized());
  auto plain = tpm.unseal(kSrk, kSrkAuth, blob, kNew);
  ASSERT_TRUE(ok(plain));
  EXPECT_EQ(plain.value, bytes_of("sealed"));
  EXPECT_TRUE(refused(tpm.unseal(kSrk, kSrkAuth, blob, kDataAuth), rc::Auth2Fail));
}

TEST_F(ChangeAuth, WorksUnderAChildKey) {
  uint32_t parent = w.load(w.keys().storage);
  auto child = tpm.create_wrap_key(parent, kKeyAuth, client::signing_key(), kDataAuth);
  ASSERT_TRUE(ok(child));
  Reply reply = change(parent, {.session = w.osap_key(parent)}, by_data(), kEtKey, child.value.encrypted);
  ASSERT_TRUE(ok(reply));
  Key key = child.value;
  key.encrypted = client::In(reply.params).sized();
  auto loaded = tpm.load_key2(parent, kKeyAuth, key.encode());
  ASSERT_TRUE(ok(loaded));
  EXPECT_TRUE(ok(tpm.sign(loaded.value.handle, kNew, Bytes(20))));
}

TEST_F(ChangeAuth, EndsBothSessions) {  // 13, 15
  Proof by_parent{.session = w.osap_srk(), .keep = true};
  Proof by_entity = w.by_key(true);
  ASSERT_TRUE(ok(change(kSrk, by_parent, by_entity, kEtKey, w.keys().sign.encrypted)));
  EXPECT_FALSE(by_parent.session->alive);
  EXPECT_FALSE(by_entity.session->alive);
  EXPECT_NE(tpm.flush(by_parent.session->handle, 2).code, rc::Ok);
  EXPECT_NE(tpm.flush(by_entity.session->handle, 2).code, rc::Ok);
}

TEST_F(ChangeAuth, RefusesOtherEntities) {  // 1
  for (uint16_t type : std::initializer_list<uint16_t>{0, 1, kEtOwner, kEtSrk, 6, 0x105, 0xffff}) {
    EXPECT_TRUE(refused(change_key(w.keys().sign.encrypted, type), rc::WrongEntityType)) << type;
  }
}

TEST_F(ChangeAuth, RefusesSessionsOfTheOtherKind) {
  EXPECT_TRUE(refused(change(kSrk, w.by_srk(), w.by_key(), kEtKey, w.keys().sign.encrypted), rc::BadMode));  // 2
  uint32_t key = w.load(w.keys().sign);
  EXPECT_TRUE(
      refused(change(kSrk, {.session = w.osap_srk()}, {.session = w.osap_key(key)}, kEtKey, w.keys().sign.encrypted),
              rc::BadMode));  // 3
}

TEST_F(ChangeAuth, RefusesOtherProtocols) {  // 4
  for (uint16_t protocol : std::initializer_list<uint16_t>{0, 1, 2, 5}) {
    EXPECT_TRUE(refused(change_key(w.keys().sign.encrypted, kEtKey, protocol), rc::BadParameter)) << protocol;
  }
}

TEST_F(ChangeAuth, RefusesWrongProofs) {
  Session* wrong = w.osap(kEtSrk, kSrk, kWrong);
  EXPECT_TRUE(refused(change(kSrk, {.session = wrong}, w.by_key(), kEtKey, w.keys().sign.encrypted),
                      rc::AuthFail));  // 7
  EXPECT_TRUE(refused(
      change(kSrk, {.session = w.osap_srk()}, {.session = w.oiap(), .secret = kWrong}, kEtKey, w.keys().sign.encrypted),
      rc::Auth2Fail));  // 10.b
}

TEST_F(ChangeAuth, RefusesASessionOfAnotherParent) {
  uint32_t parent = w.load(w.keys().storage);
  EXPECT_NE(change(kSrk, {.session = w.osap_key(parent)}, w.by_key(), kEtKey, w.keys().sign.encrypted).code, rc::Ok);
}

TEST_F(ChangeAuth, RefusesAParentThatDoesNotStore) {  // 8
  uint32_t parent = w.load(w.keys().bind);
  EXPECT_TRUE(
      refused(change(parent, {.session = w.osap_key(parent)}, w.by_key(), kEtKey, Bytes(128, 1)), rc::InvalidKeyUsage));
}

TEST_F(ChangeAuth, RefusesWhatDoesNotDecrypt) {  // 9
  Bytes broken = w.keys().sign.encrypted;
  broken[9] ^= 1;
  EXPECT_TRUE(refused(change_key(broken), rc::DecryptError));
  EXPECT_NE(change_key({}).code, rc::Ok);
  EXPECT_NE(change_key(Bytes(256, 0xff)).code, rc::Ok);
}

TEST_F(ChangeAuth, RefusesAStructureOfTheOtherKind) {  // 10.a
  Stored stored = sealed(bytes_of("sealed"));
  EXPECT_TRUE(refused(change_key(w.keys().sign.encrypted, kEtData), rc::InvalidStructure));
  EXPECT_TRUE(
      refused(change(kSrk, {.session = w.osap_srk()}, by_data(), kEtKey, stored.encrypted), rc::InvalidStructure));
  EXPECT_TRUE(refused(change_key(client::oaep_tcpa(w.srk().pub(), bytes_of("neither"))), rc::InvalidStructure));
}

// ---- TPM_ChangeAuthOwner ----

class ChangeAuthOwner : public OwnedTest {
 protected:
  const Digest kNew = client::secret("new");

  Reply change(const Proof& proof, uint16_t type, uint16_t protocol = kAdcp) {
    return tpm.run({.ordinal = 0x10,
                    .params = Out().u16(protocol).raw(client::hide_even(*proof.session, kNew)).u16(type),
                    .proofs = {proof}});
  }
  Proof by_osap(const Digest& auth = kOwnerAuth) { return {.session = w.osap(kEtOwner, client::kOwner, auth)}; }
  Reply as_owner(const Digest& auth) { return tpm.run_oiap({.ordinal = 0x7d}, auth); }
  client::Answer<Bytes> seal(const Digest& srk_auth) { return tpm.seal(kSrk, srk_auth, bytes_of("x"), kDataAuth); }
};

TEST_F(ChangeAuthOwner, GivesTheOwnerANewSecret) {
  ASSERT_TRUE(ok(change(by_osap(), kEtOwner)));
  EXPECT_TRUE(ok(as_owner(kNew)));
  EXPECT_TRUE(refused(as_owner(kOwnerAuth), rc::AuthFail));
  EXPECT_TRUE(ok(seal(kSrkAuth))) << "the SRK keeps its own";
}

TEST_F(ChangeAuthOwner, GivesTheSrkANewSecret) {
  auto blob = seal(kSrkAuth);
  ASSERT_TRUE(ok(blob));
  ASSERT_TRUE(ok(change(by_osap(), kEtSrk)));
  EXPECT_TRUE(refused(seal(kSrkAuth), rc::AuthFail));
  EXPECT_TRUE(ok(seal(kNew)));
  EXPECT_EQ(tpm.unseal(kSrk, kNew, blob.value, kDataAuth).value, bytes_of("x")) << "what was sealed still opens";
  EXPECT_TRUE(ok(as_owner(kOwnerAuth))) << "the owner keeps its own";
}

TEST_F(ChangeAuthOwner, OutlastsThePower) {
  ASSERT_TRUE(ok(change(by_osap(), kEtOwner)));
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_TRUE(ok(as_owner(kNew)));
  EXPECT_TRUE(refused(as_owner(kOwnerAuth), rc::AuthFail));
}

TEST_F(ChangeAuthOwner, EndsItsSession) {  // 6
  Proof proof = by_osap();
  proof.keep = true;
  ASSERT_TRUE(ok(change(proof, kEtOwner)));
  EXPECT_FALSE(proof.session->alive);
  EXPECT_NE(tpm.flush(proof.session->handle, 2).code, rc::Ok);
}

TEST_F(ChangeAuthOwner, EndsTheOtherOsapSessionsOfTheOwner) {  // 8
  Proof other = by_osap();
  ASSERT_TRUE(ok(change(by_osap(), kEtOwner)));
  EXPECT_TRUE(refused(tpm.run({.ordinal = 0x7d, .proofs = {other}}), rc::InvalidAuthHandle));
}

TEST_F(ChangeAuthOwner, AnOldSecretOfTheSrkWorksInNoSession) {
  Session* session = w.osap_srk();
  ASSERT_TRUE(ok(change(by_osap(), kEtSrk)));
  Out params;
  params.raw(client::hide_even(*session, kDataAuth)).sized({}).sized(bytes_of("x"));
  Reply reply =
      tpm.run({.ordinal = 0x17, .handles = Out().u32(kSrk), .params = params, .proofs = {{.session = session}}});
  EXPECT_TRUE(refused(reply, rc::InvalidAuthHandle));
}

TEST_F(ChangeAuthOwner, RefusesAnOiapSession) {  // 2
  EXPECT_TRUE(refused(change(w.by_owner(), kEtOwner), rc::BadMode));
  EXPECT_TRUE(ok(as_owner(kOwnerAuth)));
}

TEST_F(ChangeAuthOwner, RefusesOtherProtocols) {  // 3
  for (uint16_t protocol : std::initializer_list<uint16_t>{0, 1, 2, 5}) {
    EXPECT_TRUE(refused(change(by_osap(), kEtOwner, protocol), rc::BadParameter)) << protocol;
  }
  EXPECT_TRUE(ok(as_owner(kOwnerAuth)));
}

TEST_F(ChangeAuthOwner, RefusesOtherEntities) {  // 4
  for (uint16_t type : std::initializer_list<uint16_t>{0, 1, kEtData, kEtKey, 6, 0xffff}) {
    EXPECT_TRUE(refused(change(by_osap(), type), rc::WrongEntityType)) << type;
  }
  EXPECT_TRUE(ok(as_owner(kOwnerAuth)));
  EXPECT_TRUE(ok(seal(kSrkAuth)));
}

TEST_F(ChangeAuthOwner, RefusesAWrongProof) {  // 1
  EXPECT_TRUE(refused(change(by_osap(kWrong), kEtOwner), rc::AuthFail));
  Proof of_srk{.session = w.osap_srk()};
  EXPECT_TRUE(refused(change(of_srk, kEtOwner), rc::AuthFail)) << "a session of another entity";
  EXPECT_TRUE(ok(as_owner(kOwnerAuth)));
}

}  // namespace world
