// SPDX-License-Identifier: MIT
#include "tests/engine/delegation_client.h"
#include "tests/engine/tpm_test.h"
#include "tests/engine/transport_client.h"

namespace world {

using client::Command;
using client::kSrk;
using client::Reply;

namespace {

constexpr uint32_t kOwnerControl = 79, kKeyOwnerControl = 68, kResourceMissing = 74, kBadContext = 90,
                   kNoContextSpace = 99;
constexpr uint32_t kRtKey = 1, kRtAuth = 2, kRtTrans = 4, kRtContext = 5;

}  // namespace

class Contexts : public OwnedTest {
 protected:
  Reply save(uint32_t handle, uint32_t type) {
    return tpm.run({.ordinal = 0xb8, .handles = Out().u32(handle), .params = Out().u32(type).raw(Bytes(16, 'l'))});
  }
  // contextSize and contextBlob.
  Bytes saved(uint32_t handle, uint32_t type) {
    Reply reply = save(handle, type);
    World::must(reply, "SaveContext");
    return reply.params;
  }
  Reply load(const Bytes& sized_blob, bool keep = false, uint32_t entity = 0) {
    return tpm.run({.ordinal = 0xb9,
                    .handles = Out().u32(entity),
                    .params = Out().u8(keep).raw(sized_blob),
                    .out_handle_bytes = 4});
  }
  uint32_t handle_of(const Reply& loaded) {
    EXPECT_TRUE(ok(loaded));
    return client::In(loaded.handles).u32();
  }
  Reply sign(uint32_t key) {
    return tpm.run_oiap({.ordinal = 0x3c, .handles = Out().u32(key), .params = Out().sized(Bytes(20, 's'))}, kKeyAuth);
  }
  Reply read_pubek(Session* session) {
    return tpm.run({.ordinal = 0x7d, .proofs = {{.session = session, .secret = kOwnerAuth, .keep = true}}});
  }
  Reply control(uint32_t handle, const Key& key, uint8_t value, uint32_t bit = 1) {
    Bytes pub = client::PubKey{.parms = key.parms, .modulus = key.modulus}.encode();
    return tpm.run_oiap({.ordinal = 0x23, .handles = Out().u32(handle), .params = Out().raw(pub).u32(bit).u8(value)},
                        kOwnerAuth);
  }
};

TEST_F(Contexts, AKeyComesBackAsOftenAsOneLikes) {
  uint32_t key = w.load(w.keys().sign);
  Bytes blob = saved(key, kRtKey);
  EXPECT_TRUE(ok(sign(key))) << "it stays loaded";
  ASSERT_TRUE(ok(tpm.flush(key, 1)));
  EXPECT_EQ(handle_of(load(blob, true)), key);
  EXPECT_TRUE(ok(sign(key)));
  EXPECT_TRUE(refused(load(blob, true), rc::BadHandle)) << "the handle is taken";
  uint32_t second = handle_of(load(blob));
  EXPECT_NE(second, key);
  EXPECT_TRUE(ok(sign(second)));
}

TEST_F(Contexts, TheBlobHasTheFormOfPart2) {
  uint32_t key = w.load(w.keys().sign);
  client::In in(saved(key, kRtKey));
  client::In blob(in.sized());
  EXPECT_TRUE(in.done());
  EXPECT_EQ(blob.u16(), 1U);
  EXPECT_EQ(blob.u32(), kRtKey);
  EXPECT_EQ(blob.u32(), key);
  EXPECT_EQ(blob.raw(16), Bytes(16, 'l'));
  EXPECT_EQ(blob.u32(), 0U) << "contextCount of a key";
  blob.digest();
  blob.sized();
  blob.sized();
  EXPECT_TRUE(blob.done());
}

TEST_F(Contexts, AKeyOutlivesALossOfPowerUnlessItIsVolatile) {
  Bytes blob = saved(w.load(w.keys().sign), kRtKey);
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_TRUE(ok(sign(handle_of(load(blob)))));

  Key fleeting = client::signing_key();
  fleeting.flags = client::kVolatile;
  auto made = tpm.create_wrap_key(kSrk, kSrkAuth, fleeting, kKeyAuth);
  ASSERT_TRUE(ok(made));
  blob = saved(w.load(made.value), kRtKey);
  EXPECT_TRUE(ok(load(blob)));
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_TRUE(refused(load(blob), kBadContext));
}

TEST_F(Contexts, ASessionComesBackOnce) {
  Session* session = w.oiap();
  Bytes blob = saved(session->handle, kRtAuth);
  EXPECT_TRUE(refused(read_pubek(session), rc::InvalidAuthHandle)) << "saved is gone";
  session = w.keep({.handle = session->handle, .nonce_even = session->nonce_even});
  session->handle = handle_of(load(blob));
  EXPECT_TRUE(ok(read_pubek(session)));
  EXPECT_TRUE(refused(load(blob), kBadContext)) << "a replay";
  ASSERT_TRUE(ok(tpm.flush(session->handle, kRtAuth)));
  EXPECT_TRUE(refused(load(blob), kBadContext));
}

TEST_F(Contexts, ASessionIsLostWithThePower) {
  Bytes blob = saved(w.oiap()->handle, kRtAuth);
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_TRUE(refused(load(blob), kBadContext));
}

TEST_F(Contexts, ASessionWaitsForItsKey) {
  uint32_t key = w.load(w.keys().sign), other = w.load(w.keys().bind);
  Bytes key_blob = saved(key, kRtKey);
  Session* session = w.osap_key(key);
  Bytes blob = saved(session->handle, kRtAuth);
  ASSERT_TRUE(ok(tpm.flush(key, 1)));
  EXPECT_TRUE(refused(load(blob, false, other), kResourceMissing));
  uint32_t back = handle_of(load(key_blob));
  if (!libtpms()) {
    EXPECT_TRUE(refused(load(blob, false, other), rc::BadHandle));
  }
  session->handle = handle_of(load(blob, false, back));
  EXPECT_TRUE(ok(tpm.run({.ordinal = 0x21, .handles = Out().u32(back), .proofs = {{.session = session}}})));
}

TEST_F(Contexts, AnOwnersSessionComesBackForTheSameOwner) {
  Session* session = w.osap(client::kEtOwner, client::kOwner, kOwnerAuth);
  Bytes blob = saved(session->handle, kRtAuth);
  session->handle = handle_of(load(blob));
  EXPECT_TRUE(ok(read_pubek(session)));
  blob = saved(session->handle, kRtAuth);
  Session* changer = w.osap(client::kEtOwner, client::kOwner, kOwnerAuth);
  Digest fresh = client::secret("new owner");
  ASSERT_TRUE(ok(tpm.run({.ordinal = 0x10,
                          .params = Out().u16(4).raw(client::hide_even(*changer, fresh)).u16(client::kEtOwner),
                          .proofs = {{.session = changer}}})));
  EXPECT_TRUE(refused(load(blob), kResourceMissing));
}

TEST_F(Contexts, ATransportComesBack) {
  auto t = std::make_shared<client::TransportSession>(
      client::TransportSession{.session = w.keep({}), .auth = kDataAuth, .attributes = client::kTransportLog});
  ASSERT_TRUE(ok(client::open_transport(tpm, *t, kSrk, w.srk().pub(), kSrkAuth)));
  Bytes blob = saved(t->session->handle, kRtTrans);
  Command read{.ordinal = 0x15, .params = Out().u32(0)};
  EXPECT_TRUE(refused(tpm.run(client::execute_transport(tpm, t, read, {})), rc::InvalidAuthHandle)) << "21.2, 10.c";
  t->session->handle = handle_of(load(blob));
  EXPECT_TRUE(ok(tpm.run(client::execute_transport(tpm, t, read, {}))));
}

TEST_F(Contexts, ATamperedBlobIsRefused) {
  Bytes blob = saved(w.oiap()->handle, kRtAuth);
  for (size_t at = 4; at < blob.size(); at++) {
    Bytes bad = blob;
    bad[at] ^= 1;
    Reply reply = load(bad);
    EXPECT_NE(reply.code, rc::Ok) << at;
    EXPECT_TRUE(reply.defect.empty()) << reply.defect;
  }
  EXPECT_TRUE(ok(load(blob)));
}

TEST_F(Contexts, SavingRefusesWhatItsClauseSays) {
  EXPECT_TRUE(refused(save(0x1234, kRtKey), rc::InvalidResource));
  EXPECT_TRUE(refused(save(0x1234, kRtAuth), rc::InvalidResource));
  EXPECT_TRUE(refused(save(0x1234, kRtTrans), rc::InvalidResource));
  EXPECT_TRUE(refused(save(w.oiap()->handle, 3), rc::InvalidResource));
}

TEST_F(Contexts, ThereAreSixteenAndThenNoMore) {
  std::vector<Bytes> blobs;
  for (int i = 0; i < 16; i++) blobs.push_back(saved(w.oiap()->handle, kRtAuth));
  Session* session = w.oiap();
  EXPECT_TRUE(refused(save(session->handle, kRtAuth), kNoContextSpace));
  EXPECT_TRUE(ok(read_pubek(session))) << "it is still there";
  client::In listed(tpm.get_capability(0x14, Out().u32(kRtContext)).value);
  ASSERT_EQ(listed.u16(), 16U);
  uint32_t first = listed.u32();
  ASSERT_TRUE(ok(tpm.flush(first, kRtContext)));
  EXPECT_TRUE(refused(tpm.flush(first, kRtContext), rc::BadParameter));
  EXPECT_TRUE(refused(load(blobs[0]), kBadContext)) << "flushed";
  EXPECT_TRUE(ok(save(session->handle, kRtAuth)));
}

TEST_F(Contexts, CapabilitiesCountThem) {
  auto number = [&](uint32_t property) { return client::In(tpm.get_capability(5, Out().u32(property)).value).u32(); };
  uint32_t most = number(0x113);
  EXPECT_EQ(number(0x112), most);
  saved(w.oiap()->handle, kRtAuth);
  EXPECT_EQ(number(0x112), most - 1);
  EXPECT_GE(number(0x11b), 0xffffU);
}

// ---- 27.2 ----

TEST_F(Contexts, KeyContextsOfVersion11TakeTheKeyOut) {
  uint32_t key = w.load(w.keys().sign);
  Reply context = tpm.run({.ordinal = 0xb4, .handles = Out().u32(key)});
  ASSERT_TRUE(ok(context));
  EXPECT_TRUE(refused(sign(key), rc::InvalidKeyHandle));
  Command load{.ordinal = 0xb5, .params = context.params, .out_handle_bytes = 4};
  EXPECT_TRUE(ok(sign(handle_of(tpm.run(load)))));
  EXPECT_TRUE(refused(tpm.run({.ordinal = 0xb4, .handles = Out().u32(0x1234)}), rc::InvalidKeyHandle));
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_TRUE(refused(tpm.run(load), kBadContext));
}

TEST_F(Contexts, AuthContextsOfVersion11ComeBackOnce) {
  Session* session = w.oiap();
  Reply context = tpm.run({.ordinal = 0xb6, .handles = Out().u32(session->handle)});
  ASSERT_TRUE(ok(context));
  EXPECT_TRUE(refused(read_pubek(w.keep(*session)), rc::InvalidAuthHandle));
  Command load{.ordinal = 0xb7, .params = context.params, .out_handle_bytes = 4};
  session->handle = handle_of(tpm.run(load));
  EXPECT_TRUE(ok(read_pubek(session)));
  EXPECT_TRUE(refused(tpm.run(load), kBadContext));
  EXPECT_TRUE(refused(tpm.run({.ordinal = 0xb6, .handles = Out().u32(0x1234)}), rc::InvalidAuthHandle));
  EXPECT_TRUE(refused(tpm.run({.ordinal = 0xb5, .params = context.params}), rc::BadParameter)) << "it is no key";
}

TEST_F(Contexts, AuthContextsOfVersion11WaitForTheirKey) {
  uint32_t key = w.load(w.keys().sign);
  Bytes key_blob = saved(key, kRtKey);
  Session* session = w.osap_key(key);
  Reply context = tpm.run({.ordinal = 0xb6, .handles = Out().u32(session->handle)});
  ASSERT_TRUE(ok(context));
  ASSERT_TRUE(ok(tpm.flush(key, kRtKey)));
  Command load_session{.ordinal = 0xb7, .params = context.params, .out_handle_bytes = 4};
  EXPECT_TRUE(refused(tpm.run(load_session), kResourceMissing));
  uint32_t back = handle_of(load(key_blob));
  session->handle = handle_of(tpm.run(load_session));
  EXPECT_TRUE(ok(tpm.run({.ordinal = 0x21, .handles = Out().u32(back), .proofs = {{.session = session}}})));
}

TEST_F(Contexts, AuthContextsOfVersion11ComeBackForTheSameOwner) {
  Session* session = w.osap(client::kEtOwner, client::kOwner, kOwnerAuth);
  Reply context = tpm.run({.ordinal = 0xb6, .handles = Out().u32(session->handle)});
  ASSERT_TRUE(ok(context));
  Command load_session{.ordinal = 0xb7, .params = context.params, .out_handle_bytes = 4};
  session->handle = handle_of(tpm.run(load_session));
  EXPECT_TRUE(ok(read_pubek(session)));
  context = tpm.run({.ordinal = 0xb6, .handles = Out().u32(session->handle)});
  ASSERT_TRUE(ok(context));
  Session* changer = w.osap(client::kEtOwner, client::kOwner, kOwnerAuth);
  ASSERT_TRUE(ok(tpm.run(
      {.ordinal = 0x10,
       .params = Out().u16(4).raw(client::hide_even(*changer, client::secret("new owner"))).u16(client::kEtOwner),
       .proofs = {{.session = changer}}})));
  load_session.params = context.params;
  EXPECT_TRUE(refused(tpm.run(load_session), kResourceMissing));
}

TEST_F(Contexts, ResetTouchesContextsOfVersion11Only) {
  if (libtpms()) GTEST_SKIP() << "libtpms keeps them";
  Reply old = tpm.run({.ordinal = 0xb6, .handles = Out().u32(w.oiap()->handle)});
  Reply old_key = tpm.run({.ordinal = 0xb4, .handles = Out().u32(w.load(w.keys().sign))});
  Bytes fresh = saved(w.oiap()->handle, kRtAuth);
  ASSERT_TRUE(ok(tpm.run(0x5a)));
  EXPECT_TRUE(refused(tpm.run({.ordinal = 0xb7, .params = old.params, .out_handle_bytes = 4}), kBadContext));
  EXPECT_TRUE(refused(tpm.run({.ordinal = 0xb5, .params = old_key.params, .out_handle_bytes = 4}), kBadContext));
  EXPECT_TRUE(ok(load(fresh)));
}

// ---- 21.1 ----

TEST_F(Contexts, AKeyUnderOwnerControlStaysThroughALossOfPower) {
  const Key& key = w.keys().sign;
  uint32_t handle = w.load(key);
  ASSERT_TRUE(ok(control(handle, key, 1)));
  EXPECT_TRUE(refused(tpm.flush(handle, 1), kKeyOwnerControl));
  EXPECT_TRUE(refused(save(handle, kRtKey), kOwnerControl));
  EXPECT_EQ(tpm.get_capability(0x0c, Out().u32(handle)).value, Bytes{1});
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_TRUE(ok(sign(handle)));
  ASSERT_TRUE(ok(control(handle, key, 0)));
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_TRUE(refused(sign(handle), rc::InvalidKeyHandle));
}

TEST_F(Contexts, AKeyUnderOwnerControlGoesWithTheOwner) {
  const Key& key = w.keys().sign;
  uint32_t handle = w.load(key);
  ASSERT_TRUE(ok(control(handle, key, 1)));
  ASSERT_TRUE(ok(tpm.run_oiap({.ordinal = 0x5b}, kOwnerAuth)));
  w.machine().power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  EXPECT_EQ(tpm.get_capability(7).value, Bytes(2)) << "no key is loaded";
}

TEST_F(Contexts, ControllingRefusesWhatItsClauseSays) {
  const Key& key = w.keys().sign;
  uint32_t handle = w.load(key);
  EXPECT_TRUE(refused(control(0x1234, key, 1), rc::InvalidKeyHandle));        // 2
  EXPECT_TRUE(refused(control(handle, w.keys().bind, 1), rc::BadParameter));  // 3
  EXPECT_TRUE(refused(control(handle, key, 1, 2), rc::BadMode));              // 4
  Key fleeting = client::signing_key();
  fleeting.flags = client::kVolatile;
  auto made = tpm.create_wrap_key(kSrk, kSrkAuth, fleeting, kKeyAuth);
  ASSERT_TRUE(ok(made));
  EXPECT_TRUE(refused(control(w.load(made.value), made.value, 1), rc::BadParameter));  // 5.a.ii
}

TEST_F(Contexts, TwoSlotsStayFreeOfOwnersKeys) {
  const Key& key = w.keys().sign;
  size_t n = 0;
  Reply reply{.code = 0};
  while (n < 100 && reply.code == rc::Ok) {
    reply = control(w.load(key), key, 1);
    n++;
  }
  EXPECT_TRUE(refused(reply, rc::NoSpace));
  ASSERT_GT(n, 1U);
}

}  // namespace world
