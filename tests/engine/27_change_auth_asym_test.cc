// SPDX-License-Identifier: MIT
// Part 3, 27.4.
#include "tests/engine/tpm_test.h"

namespace world {

using client::bytes_of;
using client::kSrk;

struct Started {
  Bytes info;
  Bytes signature;
  uint32_t ephemeral = 0;
  Key key;
};

class ChangeAuthAsym : public OwnedTest {
 protected:
  ChangeAuthAsym() : identity(w.load(w.keys().identity)) {}

  static client::KeyParms parms(uint32_t bits = 1024) {
    return {.enc_scheme = client::kEsOaep, .sig_scheme = client::kSsNone, .bits = bits};
  }
  client::Answer<Started> start(uint32_t id, const client::KeyParms& of, const Digest& auth = kKeyAuth) {
    client::Reply reply = tpm.run_oiap(
        {.ordinal = 0x0e, .handles = Out().u32(id), .params = Out().raw(client::secret("replay")).raw(of.encode())},
        auth);
    if (!reply.ok()) return {reply, {}};
    client::In in(reply.params);
    Started started;
    started.info = in.raw(4 + 2 + 4 + 1);
    client::KeyParms certified = client::KeyParms::decode(in);
    Bytes rest = in.raw(20 + 20 + 1 + 4);
    started.info = Out().raw(started.info).raw(certified.encode()).raw(rest);
    started.signature = in.sized();
    started.ephemeral = in.u32();
    started.key = Key::decode(in);
    if (!in.done()) reply.defect = "an answer of a wrong length";
    return {reply, started};
  }
  Started started() {
    auto answer = start(identity, parms());
    EXPECT_TRUE(ok(answer));
    return answer.value;
  }

  struct Change {
    uint32_t parent = kSrk;
    Digest parent_auth = kOwnerAuth;
    uint32_t ephemeral = 0;
    uint16_t type = client::kEtKey;
    Bytes encrypted;
    Digest old_auth = kKeyAuth;
    Digest new_auth = client::secret("new");
    Bytes new_auth_for_ephemeral{};
  };
  Change change(const Started& with, const Key& key) {
    Change c{.ephemeral = with.ephemeral, .encrypted = key.encrypted};
    c.new_auth_for_ephemeral = client::oaep_tcpa(with.key.pub(), Out().raw(c.new_auth).raw(n1()));
    return c;
  }
  static Digest n1() { return client::secret("n1"); }
  client::Command finish_command(const Change& c) {
    Out params;
    params.u16(c.type).raw(client::hmac_sha1(c.old_auth, bytes_of(c.new_auth)));
    params.sized(c.new_auth_for_ephemeral).sized(c.encrypted);
    return {.ordinal = 0x0f, .handles = Out().u32(c.parent).u32(c.ephemeral), .params = params};
  }
  client::Answer<Bytes> finish(const Change& c) {
    client::Reply reply = tpm.run_oiap(finish_command(c), c.parent_auth);
    if (!reply.ok()) return {reply, {}};
    client::In in(reply.params);
    Bytes out = in.sized();
    Digest salt = in.digest();
    if (in.digest() != client::hmac_sha1(c.new_auth, Out().raw(salt).raw(n1()))) reply.defect = "changeProof";
    if (!in.done()) reply.defect = "an answer of a wrong length";
    return {reply, out};
  }
  uint32_t identity;
};

TEST_F(ChangeAuthAsym, StartCertifiesAnEphemeralKey) {
  Started one = started();
  Out info;
  info.u32(0x01010000).u16(client::kAuthChange).u32(client::kVolatile).u8(0).raw(parms().encode());
  info.raw(client::sha1(one.key.modulus)).raw(client::secret("replay")).u8(0).u32(0);
  EXPECT_EQ(one.info, info.bytes());
  EXPECT_TRUE(client::verify_sha1(w.keys().identity.pub(), client::sha1(info), one.signature));
  EXPECT_EQ(one.key.usage, client::kAuthChange);
  EXPECT_EQ(one.key.auth_usage, 0);
  EXPECT_EQ(one.key.modulus.size(), 128U);
  EXPECT_TRUE(one.key.encrypted.empty());
}

TEST_F(ChangeAuthAsym, ChangesAKeysSecretUnderTheSrkByTheOwner) {
  Started with = started();
  auto changed = finish(change(with, w.keys().sign));
  ASSERT_TRUE(ok(changed));
  Key key = w.keys().sign;
  key.encrypted = changed.value;
  uint32_t handle = w.load(key);
  EXPECT_TRUE(ok(tpm.sign(handle, client::secret("new"), Bytes(20, 1))));
  EXPECT_TRUE(refused(tpm.sign(handle, kKeyAuth, Bytes(20, 1)), rc::AuthFail));
  EXPECT_TRUE(refused(tpm.flush(with.ephemeral, 1), rc::BadParameter)) << "27.4.2, 11";
}

TEST_F(ChangeAuthAsym, UnderTheSrkItsOwnSecretDoesNotCount) {
  Change c = change(started(), w.keys().sign);
  c.parent_auth = kSrkAuth;
  EXPECT_TRUE(refused(finish(c), rc::AuthFail));
}

TEST_F(ChangeAuthAsym, ChangesAKeysSecretUnderAnotherParent) {
  uint32_t parent = w.load(w.keys().storage);
  auto child = tpm.create_wrap_key(parent, kKeyAuth, client::signing_key(512), kDataAuth);
  ASSERT_TRUE(ok(child));
  Change c = change(started(), child.value);
  c.parent = parent;
  c.parent_auth = kKeyAuth;
  c.old_auth = kDataAuth;
  auto changed = finish(c);
  ASSERT_TRUE(ok(changed));
  child.value.encrypted = changed.value;
  auto loaded = tpm.load_key2(parent, kKeyAuth, child.value.encode());
  ASSERT_TRUE(ok(loaded));
  EXPECT_TRUE(ok(tpm.sign(loaded.value.handle, client::secret("new"), Bytes(20, 1))));
}

TEST_F(ChangeAuthAsym, ChangesTheSecretOfSealedData) {
  auto sealed = tpm.seal(kSrk, kSrkAuth, bytes_of("data"), kDataAuth);
  ASSERT_TRUE(ok(sealed));
  client::In in(sealed.value);
  Bytes head = in.raw(4), info = in.sized();
  Key holder;
  holder.encrypted = in.sized();
  Change c = change(started(), holder);
  c.type = 3;
  c.old_auth = kDataAuth;
  auto changed = finish(c);
  ASSERT_TRUE(ok(changed));
  auto opened = tpm.unseal(kSrk, kSrkAuth, Out().raw(head).sized(info).sized(changed.value), client::secret("new"));
  ASSERT_TRUE(ok(opened));
  EXPECT_EQ(opened.value, bytes_of("data"));
}

TEST_F(ChangeAuthAsym, StartWantsAnIdentityAndGoodParameters) {
  EXPECT_TRUE(refused(start(w.load(w.keys().sign), parms()), rc::InvalidKeyUsage));
  EXPECT_TRUE(refused(start(identity, parms(), kWrong), rc::AuthFail));
  EXPECT_TRUE(refused(start(identity, parms(768)), rc::BadKeyProperty));
  client::KeyParms other = parms();
  other.algorithm = 6;
  EXPECT_TRUE(refused(start(identity, other), rc::BadKeyProperty));
  other = parms();
  other.enc_scheme = client::kEsNone;
  EXPECT_TRUE(refused(start(identity, other), rc::BadKeyProperty));
}

TEST_F(ChangeAuthAsym, StartNeedsASlot) {
  size_t free = client::In(tpm.get_capability(5, Out().u32(0x104)).value).u32();
  for (size_t i = 0; i < free; i++) w.load(w.keys().sign);
  EXPECT_TRUE(refused(start(identity, parms(512)), rc::NoSpace));
}

TEST_F(ChangeAuthAsym, FinishRefusesWhatDoesNotFit) {
  Started with = started();
  const Change good = change(with, w.keys().sign);
  Change c = good;
  c.type = 2;
  EXPECT_TRUE(refused(finish(c), rc::WrongEntityType));
  c = good;
  c.type = 0x105;
  EXPECT_TRUE(refused(finish(c), rc::WrongEntityType));
  c = good;
  c.parent = w.load(w.keys().bind);
  c.parent_auth = kKeyAuth;
  EXPECT_TRUE(refused(finish(c), rc::InvalidKeyUsage));
  c = good;
  c.encrypted[10] ^= 1;
  EXPECT_TRUE(refused(finish(c), rc::DecryptError));
  c = good;
  c.ephemeral = w.load(w.keys().bind);
  EXPECT_TRUE(refused(finish(c), rc::BadParameter));
  c = good;
  c.ephemeral = 0x01ffffff;
  EXPECT_TRUE(refused(finish(c), rc::InvalidKeyHandle));
  c = good;
  c.new_auth_for_ephemeral[5] ^= 1;
  EXPECT_TRUE(refused(finish(c), rc::DecryptError));
  c = good;
  c.old_auth = kWrong;
  EXPECT_TRUE(refused(finish(c), rc::AuthFail)) << "6: newAuthLink";
  EXPECT_TRUE(ok(finish(good))) << "no failure took the ephemeral key away";
}

TEST_F(ChangeAuthAsym, FinishRefusesOtherStructures) {
  Started with = started();
  Change c = change(with, w.keys().sign);
  c.new_auth_for_ephemeral = client::oaep_tcpa(with.key.pub(), Bytes(39, 1));
  auto answer = finish(c);
  EXPECT_FALSE(answer.ok());
  EXPECT_TRUE(refused(answer, rc::InvalidStructure));
  c = change(with, w.keys().sign);
  c.encrypted = client::oaep_tcpa(w.srk().pub(), Bytes(30, 1));
  answer = finish(c);
  EXPECT_FALSE(answer.ok());
  EXPECT_TRUE(refused(answer, rc::InvalidStructure));
}

TEST_F(ChangeAuthAsym, NeedsASessionUnlessTheKeyAsksForNone) {
  EXPECT_TRUE(refused(
      tpm.run({.ordinal = 0x0e, .handles = Out().u32(identity), .params = Out().raw(Digest{}).raw(parms().encode())}),
      rc::AuthFail));
  EXPECT_TRUE(refused(tpm.run(finish_command(change(started(), w.keys().sign))), rc::AuthFail));
}

}  // namespace world
