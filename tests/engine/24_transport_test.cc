// SPDX-License-Identifier: MIT
#include <algorithm>

#include "tests/engine/audit_client.h"
#include "tests/engine/tpm_test.h"
#include "tests/engine/transport_client.h"

namespace world {

using client::Command;
using client::kSrk;
using client::Reply;
using client::TransportSession;

namespace {

constexpr uint32_t kNoWrapTransport = 47;
const Digest kTransAuth = client::secret("transport");

struct Kind {
  const char* name;
  uint32_t attributes;
  uint32_t algorithm;
  uint16_t scheme;
};
constexpr Kind kKinds[] = {
    {"Plain", 0, client::kAlgMgf1, 1},
    {"Logged", client::kTransportLog, client::kAlgMgf1, 1},
    {"Mgf1", client::kTransportEncrypt, client::kAlgMgf1, 1},
    {"AesCtr", client::kTransportEncrypt | client::kTransportLog, client::kAlgAes128, client::kEsCtr},
    {"AesOfb", client::kTransportEncrypt | client::kTransportLog, client::kAlgAes128, client::kEsOfb},
};

}  // namespace

class Transported : public OwnedTest {
 protected:
  using Handle = std::shared_ptr<TransportSession>;
  Handle prepare(uint32_t attributes, uint32_t algorithm = client::kAlgMgf1, uint16_t scheme = 1) {
    return std::make_shared<TransportSession>(TransportSession{
        .session = w.keep({}), .auth = kTransAuth, .attributes = attributes, .algorithm = algorithm, .scheme = scheme});
  }
  Reply open(const Handle& t, uint32_t enc = kSrk) {
    return client::open_transport(tpm, *t, enc, w.srk().pub(), kSrkAuth);
  }
  Handle opened(uint32_t attributes, uint32_t algorithm = client::kAlgMgf1, uint16_t scheme = 1) {
    Handle t = prepare(attributes, algorithm, scheme);
    World::must(open(t), "EstablishTransport");
    return t;
  }
  Reply run(const Handle& t, const Command& inner, const client::Carried& carried = {}, bool keep = true) {
    return tpm.run(client::execute_transport(tpm, t, inner, carried, keep));
  }
  Reply extend(const Handle& t, bool keep = true) {
    return run(t, {.ordinal = 0x14, .params = Out().u32(10).raw(client::secret("event"))}, {}, keep);
  }
  Command release(const Handle& t, uint32_t key, const Digest& replay) {
    return {.ordinal = 0xe8,
            .handles = Out().u32(key),
            .params = Out().raw(replay),
            .proofs = {w.by_key(), {.session = t->session, .secret = t->auth}}};
  }
};

class TransportKinds : public Transported, public testing::WithParamInterface<Kind> {};

TEST_P(TransportKinds, CarryCommandsWithAndWithoutSessionsAndHandles) {
  Handle t = opened(GetParam().attributes, GetParam().algorithm, GetParam().scheme);
  Digest event = client::secret("event");
  Reply extended = extend(t);
  ASSERT_TRUE(ok(extended));
  Digest expected = client::sha1(Out().raw(Digest{}).raw(event));
  EXPECT_EQ(extended.params, client::bytes_of(expected));
  EXPECT_EQ(tpm.pcr_read(10).value, expected);

  uint32_t key = w.load(w.keys().sign);
  Reply signed_area = run(t,
                          {.ordinal = 0x3c,
                           .handles = Out().u32(key),
                           .params = Out().sized(client::bytes_of(event)),
                           .proofs = {w.by_key()}},
                          {.clear_in = 4, .key_hash = client::logged_key(w.keys().sign.pub())});
  ASSERT_TRUE(ok(signed_area));
  EXPECT_TRUE(client::verify_sha1(w.keys().sign.pub(), event, client::In(signed_area.params).sized()));

  Reply loaded = run(t,
                     {.ordinal = 0x41,
                      .handles = Out().u32(kSrk),
                      .params = w.keys().bind.encode(),
                      .proofs = {w.by_srk()},
                      .out_handle_bytes = 4},
                     {.clear_in = 4, .clear_out = 4, .key_hash = client::logged_key(w.srk().pub())});
  ASSERT_TRUE(ok(loaded));
  EXPECT_TRUE(ok(tpm.flush(client::In(loaded.handles).u32(), 1)));
}

TEST_P(TransportKinds, CarryRefusals) {
  Handle t = opened(GetParam().attributes, GetParam().algorithm, GetParam().scheme);
  EXPECT_TRUE(refused(run(t, {.ordinal = 0x15, .params = Out().u32(99)}), rc::BadIndex));
  EXPECT_TRUE(refused(run(t, {.ordinal = 0x7d, .proofs = {{.session = w.oiap(), .secret = kWrong}}}), rc::AuthFail));
  EXPECT_TRUE(ok(extend(t))) << "the transport itself goes on";
}

TEST_P(TransportKinds, OpenSessionsInside) {
  Handle t = opened(GetParam().attributes, GetParam().algorithm, GetParam().scheme);
  Digest odd = client::fresh_nonce();
  Reply opened = run(t, {.ordinal = 0x0b, .params = Out().u16(client::kEtOwner).u32(0).raw(odd)},
                     {.clear_in = 26, .clear_out = 44});
  ASSERT_TRUE(ok(opened));
  client::In in(opened.params);
  Session session{.kind = client::SessionKind::Osap, .handle = in.u32(), .nonce_even = in.digest()};
  Digest even = in.digest();
  session.shared = client::hmac_sha1(kOwnerAuth, Out().raw(even).raw(odd));
  EXPECT_TRUE(ok(run(t, {.ordinal = 0x7d, .proofs = {{.session = &session, .keep = true}}})));
  EXPECT_TRUE(ok(tpm.run({.ordinal = 0x7d, .proofs = {{.session = &session}}}))) << "it serves outside too";
}

std::string kind_name(const testing::TestParamInfo<Kind>& kind) { return kind.param.name; }
INSTANTIATE_TEST_SUITE_P(Kinds, TransportKinds, testing::ValuesIn(kKinds), kind_name);

TEST_F(Transported, WhatIsEncryptedCannotBeReadOnTheWay) {
  Handle t = opened(client::kTransportEncrypt, client::kAlgAes128, client::kEsCtr);
  Digest event = client::secret("event");
  Command command = client::execute_transport(tpm, t, {.ordinal = 0x14, .params = Out().u32(10).raw(event)}, {});
  client::Prepared prepared = tpm.prepare(command);
  Bytes response = tpm.send(prepared.frame);
  Bytes value = client::bytes_of(client::sha1(Out().raw(Digest{}).raw(event)));
  Bytes secret = client::bytes_of(event);
  EXPECT_EQ(std::search(prepared.frame.begin(), prepared.frame.end(), secret.begin(), secret.end()),
            prepared.frame.end());
  EXPECT_EQ(std::search(response.begin(), response.end(), value.begin(), value.end()), response.end());
  EXPECT_EQ(tpm.finish(prepared, response).params, value);
}

TEST_F(Transported, TheLogIsSigned) {
  uint32_t key = w.load(w.keys().sign);
  Handle t = opened(client::kTransportLog);
  ASSERT_TRUE(ok(extend(t)));
  EXPECT_TRUE(refused(run(t, {.ordinal = 0x15, .params = Out().u32(99)}), rc::BadIndex));
  Digest replay = client::fresh_nonce();
  Reply released = tpm.run(release(t, key, replay));
  ASSERT_TRUE(ok(released));
  client::In in(released.params);
  uint32_t locality = in.u32();
  Bytes ticks = in.raw(32), signature = in.sized();
  EXPECT_TRUE(in.done());
  Digest last = client::sha1(Out().u32(0xe8).raw(replay));
  Digest log = client::sha1(Out().raw(t->log).u16(0x0011).raw(ticks).raw(last).u32(locality));
  Bytes info = Out().u16(0x0005).raw(client::bytes_of("TRAN")).raw(replay).sized(client::bytes_of(log));
  EXPECT_TRUE(client::verify_sha1(w.keys().sign.pub(), client::sha1(info), signature));
  EXPECT_TRUE(refused(extend(t), rc::InvalidAuthHandle)) << "the session is over";
}

TEST_F(Transported, ASecretInClearServesWithoutEncryption) {
  Handle t = prepare(client::kTransportLog);
  ASSERT_TRUE(ok(open(t, client::kTransportHandle)));
  EXPECT_TRUE(ok(extend(t)));
  EXPECT_TRUE(refused(open(prepare(client::kTransportEncrypt), client::kTransportHandle), rc::BadScheme));
}

TEST_F(Transported, EstablishingRefusesWhatItsClauseSays) {
  Handle t = prepare(0);
  Command clear = client::establish_transport(*t, client::kTransportHandle, {}, {});
  Command with_proof = clear;
  with_proof.proofs = {w.by_srk()};
  EXPECT_TRUE(refused(tpm.run(with_proof), rc::BadTag));  // 1.a
  clear.params = Out().raw(t->public_part()).sized(Bytes(19));
  EXPECT_TRUE(refused(tpm.run(clear), rc::BadParamSize));  // 1.c

  uint32_t key = w.load(w.keys().sign);
  EXPECT_TRUE(
      refused(client::open_transport(tpm, *t, key, w.keys().sign.pub(), kKeyAuth), rc::InvalidKeyUsage));  // 2.a
  Command no_proof = client::establish_transport(*t, kSrk, w.srk().pub(), {});
  EXPECT_TRUE(refused(tpm.run(no_proof), rc::AuthFail));                                             // 2.b
  EXPECT_TRUE(refused(client::open_transport(tpm, *t, kSrk, w.srk().pub(), kWrong), rc::AuthFail));  // 2.c
  Command garbled = client::establish_transport(*t, kSrk, w.srk().pub(), w.by_srk());
  garbled.params = Out().raw(t->public_part()).sized(Bytes(256, 1));
  EXPECT_TRUE(refused(tpm.run(garbled), rc::DecryptError));  // 2.d

  EXPECT_TRUE(refused(open(prepare(1, 1)), rc::BadKeyProperty));                        // 3.b
  EXPECT_TRUE(refused(open(prepare(1, client::kAlgAes128, 1)), rc::InappropriateEnc));  // 3.c
}

TEST_F(Transported, ALegacyKeyOpensTheSecretToo) {
  uint32_t key = w.load(w.keys().legacy);
  Handle t = prepare(client::kTransportEncrypt);
  ASSERT_TRUE(ok(client::open_transport(tpm, *t, key, w.keys().legacy.pub(), kKeyAuth)));
  EXPECT_TRUE(ok(extend(t)));
}

TEST_F(Transported, ThereAreThreeAndThenNoMore) {
  for (int i = 0; i < 3; i++) opened(0);
  EXPECT_TRUE(refused(open(prepare(0)), rc::Resources));
}

TEST_F(Transported, ExecutingRefusesWhatItsClauseSays) {
  Handle t = opened(client::kTransportLog);
  for (uint32_t ordinal : {0xe6U, 0xe7U, 0xe8U}) {
    Handle each = opened(0);
    bool key = ordinal != 0xe7;
    Command inner{.ordinal = ordinal, .handles = key ? Bytes(Out().u32(kSrk)) : Bytes{}};
    EXPECT_TRUE(refused(run(each, inner, {.clear_in = key ? 4U : 0U}), kNoWrapTransport)) << ordinal;  // 9
  }
  EXPECT_TRUE(refused(
      run(t, {.ordinal = 0x3c, .handles = Out().u32(0x1234), .params = Out().sized(Bytes(20))}, {.clear_in = 4}),
      rc::InvalidKeyHandle));  // 10.g
  if (libtpms()) GTEST_SKIP() << "libtpms answers TPM_BAD_ORDINAL";
  EXPECT_TRUE(refused(run(opened(0), {.ordinal = 0x7777}), rc::BadParameter));  // 3
}

TEST_F(Transported, AWrongProofEndsIt) {
  Handle t = opened(0);
  Command command = client::execute_transport(tpm, t, {.ordinal = 0x15, .params = Out().u32(1)}, {});
  command.proofs[0].secret = kWrong;
  EXPECT_TRUE(refused(tpm.run(command), rc::AuthFail));
  EXPECT_TRUE(refused(extend(t), rc::InvalidAuthHandle));
}

// 24.2: the outer command succeeds with the refusal in it; only what it carried fails.
TEST_F(Transported, AWrongProofInsideEndsTheInnerSessionOnly) {
  Handle t = opened(client::kTransportLog | client::kTransportEncrypt);
  uint32_t key = w.load(w.keys().sign);
  Session* inner = w.oiap();
  Command sign{.ordinal = 0x3c, .handles = Out().u32(key), .params = Out().sized(Bytes(20, 's'))};
  client::Carried carried{.clear_in = 4, .key_hash = client::logged_key(w.keys().sign.pub())};
  sign.proofs = {{.session = inner, .secret = kWrong, .keep = true}};
  size_t commits = w.machine().commits();
  Command execute = client::execute_transport(tpm, t, sign, carried);
  client::Prepared prepared = tpm.prepare(execute);
  Bytes response = tpm.send(prepared.frame);
  client::In outer(response);
  EXPECT_EQ(outer.u16(), 0x00c5) << "one session: the transport's";
  EXPECT_EQ(outer.u32(), response.size());
  EXPECT_EQ(outer.u32(), rc::Ok);
  outer.raw(8 + 4);
  EXPECT_EQ(outer.sized(), Out().u16(0x00c4).u32(10).u32(rc::AuthFail).bytes());
  EXPECT_TRUE(refused(tpm.finish(prepared, response), rc::AuthFail)) << "proven and logged like any other answer";
  EXPECT_TRUE(t->session->alive);

  sign.proofs = {{.session = inner, .secret = kKeyAuth}};
  EXPECT_TRUE(refused(run(t, sign, carried), rc::InvalidAuthHandle)) << "the refusal ended it";
  sign.proofs = {w.by_key()};
  EXPECT_TRUE(ok(run(t, sign, carried))) << "the transport itself goes on";
  EXPECT_GE(w.machine().commits(), commits + (libtpms() ? 0 : 1)) << "the guess was counted for good";
  Digest replay = client::secret("replay");
  Reply released = tpm.run(release(t, key, replay));
  EXPECT_TRUE(ok(released));
}

TEST_F(Transported, AKeyOfOtherPcrsIsRefusedInsideAndTheLogGoesOn) {
  Handle t = opened(client::kTransportLog);
  client::Key key = client::signing_key();
  Bytes selection = client::pcr_selection({8});
  key.pcr_info = client::pcr_info(selection, client::composite(selection, {client::secret("another boot")}));
  auto made = tpm.create_wrap_key(kSrk, kSrkAuth, key, kKeyAuth);
  ASSERT_TRUE(ok(made));
  Command sign{.ordinal = 0x3c,
               .handles = Out().u32(w.load(made.value)),
               .params = Out().sized(Bytes(20, 's')),
               .proofs = {w.by_key()}};
  client::Carried carried{.clear_in = 4, .key_hash = client::logged_key(made.value.pub())};
  EXPECT_TRUE(refused(run(t, sign, carried), rc::WrongPcrVal));
  EXPECT_TRUE(t->session->alive);
  EXPECT_TRUE(ok(extend(t)));
  EXPECT_TRUE(ok(tpm.run(release(t, w.load(w.keys().sign), client::secret("replay")))));
}

TEST_F(Transported, AReplayIsRefused) {
  Handle t = opened(client::kTransportEncrypt);
  client::Prepared prepared =
      tpm.prepare(client::execute_transport(tpm, t, {.ordinal = 0x14, .params = Out().u32(10).raw(Digest{})}, {}));
  ASSERT_TRUE(ok(tpm.finish(prepared, tpm.send(prepared.frame))));
  EXPECT_TRUE(refused(tpm.finish(prepared, tpm.send(prepared.frame)), rc::AuthFail));
}

TEST_F(Transported, EndsWhenItsCallerSaysSo) {
  Handle t = opened(0);
  ASSERT_TRUE(ok(extend(t, false)));
  EXPECT_FALSE(t->session->alive);
  EXPECT_TRUE(refused(extend(t), rc::InvalidAuthHandle));
}

TEST_F(Transported, CanBeFlushed) {
  Handle t = opened(0);
  ASSERT_TRUE(ok(tpm.flush(t->session->handle, 4)));
  EXPECT_TRUE(refused(extend(t), rc::InvalidAuthHandle));
  EXPECT_TRUE(refused(tpm.flush(t->session->handle, 4), rc::BadParameter));
}

TEST_F(Transported, MayFlushItself) {
  Handle t = opened(client::kTransportLog);
  EXPECT_TRUE(
      ok(run(t, {.ordinal = 0xba, .handles = Out().u32(t->session->handle), .params = Out().u32(4)}, {.clear_in = 4})));
  EXPECT_FALSE(t->session->alive);
  EXPECT_TRUE(refused(extend(t), rc::InvalidAuthHandle));
}

TEST_F(Transported, AnExclusiveOneEndsWithAnyOtherCommand) {
  Handle t = opened(client::kTransportExclusive);
  ASSERT_TRUE(ok(extend(t)));
  ASSERT_TRUE(ok(extend(t)));
  ASSERT_TRUE(ok(tpm.pcr_read(0)));
  EXPECT_TRUE(refused(extend(t), rc::InvalidAuthHandle));
}

TEST_F(Transported, AnExclusiveOneEndsWithAnotherTransport) {
  Handle other = opened(0);
  Handle t = opened(client::kTransportExclusive);
  ASSERT_TRUE(ok(extend(t)));
  ASSERT_TRUE(ok(extend(other)));
  EXPECT_TRUE(refused(extend(t), rc::InvalidAuthHandle));
}

TEST_F(Transported, ReleasingRefusesWhatItsClauseSays) {
  uint32_t key = w.load(w.keys().sign), bind = w.load(w.keys().bind), der = w.load(w.keys().sign_der);
  EXPECT_TRUE(refused(tpm.run(release(opened(0), key, {})), rc::BadMode));                                // 7
  EXPECT_TRUE(refused(tpm.run(release(opened(client::kTransportLog), der, {})), rc::InappropriateSig));   // 2
  EXPECT_TRUE(refused(tpm.run(release(opened(client::kTransportLog), bind, {})), rc::InappropriateSig));  // 2
  uint32_t legacy = w.load(w.keys().legacy);
  EXPECT_TRUE(refused(tpm.run(release(opened(client::kTransportLog), legacy, {})), rc::InvalidKeyUsage));  // 3
}

TEST_F(Transported, WhatItCarriesIsDurableBeforeItIsAnswered) {
  Handle t = opened(0);
  Command disable{.ordinal = 0x7e, .proofs = {w.by_owner()}};
  Command command = client::execute_transport(tpm, t, disable, {});
  client::Prepared prepared = tpm.prepare(command);
  machine::Snapshot before = w.machine().snapshot();
  w.machine().break_disk(true);
  if (libtpms()) GTEST_SKIP() << "libtpms goes into failure mode";
  EXPECT_TRUE(refused(tpm.finish(prepared, tpm.send(prepared.frame)), rc::Fail));
  EXPECT_EQ(w.machine().snapshot().permanent, before.permanent);
  w.machine().break_disk(false);
}

TEST_F(Transported, AShaThreadStaysOnItsSideOfTheTransport) {
  Handle t = opened(0);
  ASSERT_TRUE(ok(run(t, {.ordinal = 0xa0})));
  ASSERT_TRUE(ok(run(t, {.ordinal = 0xa1, .params = Out().sized(Bytes(64, 'x'))})));
  EXPECT_TRUE(ok(run(t, {.ordinal = 0xa2, .params = Out().sized({})})));
  ASSERT_TRUE(ok(tpm.run(0xa0)));
  EXPECT_TRUE(refused(run(t, {.ordinal = 0xa1, .params = Out().sized(Bytes(64, 'x'))}), rc::ShaThread));
  ASSERT_TRUE(ok(run(t, {.ordinal = 0xa0})));
  EXPECT_TRUE(refused(tpm.run(0xa1, Out().sized(Bytes(64, 'x'))), rc::ShaThread));
}

// The digests of the transport's own audit are H1 and H2, which are those of what it carries.
// The wrapped command's own audit is silent about the parameters of an encrypting transport; that of
// TPM_ExecuteTransport covers what it carries in clear (Part 3, 8.1 and 24.2, actions 8 and 20).
TEST_F(Transported, IsAuditedByWhatItCarries) {
  client::Audit audit(tpm);
  struct {
    uint32_t audited, attributes;
    bool told;
  } const cases[] = {
      {0x14, 0, true}, {0x14, client::kTransportEncrypt, false}, {0xe7, client::kTransportEncrypt, true}};
  for (const auto& each : cases) {
    ASSERT_TRUE(ok(audit.set(each.audited, true, kOwnerAuth)));
    w.machine().power_cycle();
    ASSERT_TRUE(ok(tpm.startup()));
    Handle t = opened(each.attributes);
    Command inner{.ordinal = 0x14, .params = Out().u32(10).raw(client::secret("event"))};
    Reply reply = run(t, inner);
    ASSERT_TRUE(ok(reply));
    client::AuditState state = audit.digest().value;
    client::AuditLog log(state.count);
    if (!each.told) inner.params = reply.params = {};
    log.both(inner, reply);
    EXPECT_EQ(state.digest, log.digest()) << each.audited << " " << each.attributes;
    ASSERT_TRUE(ok(audit.set(each.audited, false, kOwnerAuth)));
  }
}

TEST_F(Transported, LivesThroughARestartOfTheProcess) {
  Handle t = opened(client::kTransportLog | client::kTransportEncrypt);
  ASSERT_TRUE(ok(extend(t)));
  w.restore(w.point());
  EXPECT_TRUE(ok(extend(t)));
}

TEST_F(Transported, CapabilitiesCountThem) {
  auto number = [&](uint32_t property) { return client::In(tpm.get_capability(5, Out().u32(property)).value).u32(); };
  uint32_t most = number(0x10e);
  EXPECT_GE(most, 3U);
  EXPECT_EQ(number(0x10b), most);
  Handle t = opened(0);
  EXPECT_EQ(number(0x10b), most - 1);
  client::In handles(tpm.get_capability(0x14, Out().u32(4)).value);
  EXPECT_EQ(handles.u16(), 1U);
  EXPECT_EQ(handles.u32(), t->session->handle);
}

}  // namespace world
