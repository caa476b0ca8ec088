// SPDX-License-Identifier: MIT
// States of the engine as earlier versions left them; every later version reads them all.
#include "tests/engine/counter_client.h"
#include "tests/engine/golden.h"
#include "tests/engine/nv_client.h"
#include "tests/engine/tpm_test.h"
#include "tests/engine/transport_client.h"

namespace world {

class Golden : public testing::TestWithParam<const char*> {
 protected:
  Golden()
      : state(golden::read(std::filesystem::path("tests/data/state") / GetParam())),
        machine(machine::make(state.snapshot)),
        tpm([this](const Bytes& command, uint8_t locality) { return machine->execute(command, locality); }) {}

  client::In answer(const char* name) const { return client::In(state.answers.at(name)); }
  Session session(const char* name) const {
    client::In in = answer(name);
    return {.handle = in.u32(), .nonce_even = in.digest(), .alive = true};
  }
  void expect_signed(const client::Reply& reply) {
    ASSERT_TRUE(ok(reply));
    client::RsaPublic key{.modulus = state.answers.at("modulus")};
    EXPECT_TRUE(client::verify_sha1(key, client::secret("to sign"), client::In(reply.params).sized()));
  }
  client::Command sign() const {
    return {.ordinal = 0x3c,
            .handles = state.answers.at("key"),
            .params = Out().sized(client::bytes_of(client::secret("to sign")))};
  }
  void expect_permanent_state() {
    EXPECT_EQ(client::Nv(tpm).read_auth(golden::kArea, 0, 18, golden::kAreaAuth).value, state.answers.at("area"));
    client::In counter = answer("counter");
    uint32_t id = counter.u32(), count = counter.u32();
    EXPECT_EQ(client::Counters(tpm).read(id).value.count, count);
    EXPECT_EQ(tpm.run(0xdb).params, state.answers.at("families"));
    EXPECT_EQ(tpm.get_capability(5, Out().u32(0x11f)).value, Out().u32(golden::kRestrictions).bytes());
    auto srk = tpm.run_oiap({.ordinal = 0x81, .params = Out().u32(client::kSrk)}, kOwnerAuth);
    ASSERT_TRUE(ok(srk));
    EXPECT_EQ(client::bytes_of(client::sha1(srk.params)), state.answers.at("srk"));
    EXPECT_EQ(tpm.unseal(client::kSrk, kSrkAuth, state.answers.at("sealed"), kDataAuth).value,
              client::bytes_of("golden secret"));
  }

  golden::State state;
  std::unique_ptr<machine::Machine> machine;
  Tpm tpm;
};

TEST_P(Golden, KeepsItsPermanentState) { expect_permanent_state(); }

TEST_P(Golden, KeepsItsPermanentStateOverTheNextStart) {
  machine->power_cycle();
  ASSERT_TRUE(ok(tpm.startup()));
  expect_permanent_state();
  EXPECT_EQ(tpm.pcr_read(golden::kPcr).value, Digest{});
}

TEST_P(Golden, IsWrittenAsItWasRead) { EXPECT_EQ(machine->snapshot().permanent, state.snapshot.permanent); }

TEST_P(Golden, KeepsItsMeasurements) {
  EXPECT_EQ(client::bytes_of(tpm.pcr_read(golden::kPcr).value), state.answers.at("pcr"));
}

TEST_P(Golden, GoesOnWithItsSessionAndItsKey) {
  Session on = session("session");
  client::Command command = sign();
  command.proofs = {{.session = &on, .secret = kKeyAuth, .keep = true}};
  expect_signed(tpm.run(command));
  expect_signed(tpm.run(command));
  command.proofs[0].secret = kWrong;
  EXPECT_TRUE(refused(tpm.run(command), rc::AuthFail));
}

TEST_P(Golden, GoesOnWithItsTransportSession) {
  Session carrier = session("transport");
  auto transport = std::make_shared<client::TransportSession>(
      client::TransportSession{.session = &carrier, .auth = golden::kTransportAuth, .algorithm = client::kAlgMgf1});
  client::Command read{.ordinal = 0x15, .params = Out().u32(golden::kPcr)};
  for (int i = 0; i < 2; i++) {
    client::Reply carried = tpm.run(client::execute_transport(tpm, transport, read, {}));
    ASSERT_TRUE(ok(carried));
    EXPECT_EQ(carried.params, state.answers.at("pcr"));
  }
}

TEST_P(Golden, TakesBackTheContextThatItSavedOnce) {
  client::Command load{.ordinal = 0xb9,
                       .handles = Out().u32(0),
                       .params = Out().u8(0).raw(state.answers.at("context")),
                       .out_handle_bytes = 4};
  EXPECT_TRUE(ok(tpm.run(load)));
  EXPECT_NE(tpm.run(load).code, rc::Ok);
}

TEST_P(Golden, KeepsItsDeferredPresence) {
  auto deferred = [&](uint32_t bits) { return tpm.run(0x3f, Out().u32(4).sized(Out().u32(6)).sized(Out().u32(bits))); };
  EXPECT_TRUE(refused(deferred(3), rc::BadPresence));
  EXPECT_TRUE(ok(deferred(1)));
}

INSTANTIATE_TEST_SUITE_P(Formats, Golden, testing::Values("1"));

}  // namespace world
