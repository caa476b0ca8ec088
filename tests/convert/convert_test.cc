// SPDX-License-Identifier: MIT
// A TPM of libtpms and the TPM of ours that was made from its state, asked the same.
#include <algorithm>

#include "tests/convert/imported.h"
#include "tests/engine/counter_client.h"
#include "tests/engine/delegation_client.h"
#include "tests/engine/nv_client.h"
#include "tests/engine/tpm_test.h"

using client::Counters;
using client::Digest;
using client::Nv;
using client::Out;
using imported::Bytes;
using imported::Imported;
using world::kDataAuth;
using world::kKeyAuth;
using world::kOwnerAuth;
using world::kSrkAuth;
using world::ok;
using world::refused;
using world::World;

namespace rc = world::rc;

namespace {

const Digest kAreaAuth = client::secret("area");
const Digest kCounterAuth = client::secret("counter");

convert::Converted converted(World& w) {
  auto result = imported::convert_state(w.machine().snapshot().permanent);
  if (!result.ok()) {
    ADD_FAILURE() << result.error().text;
    abort();
  }
  return std::move(result).take();
}

bool says(const convert::Converted& converted, bool carried, const std::string& text) {
  return imported::remarks(converted, carried).find(text) != std::string::npos;
}

class ConvertTest : public testing::Test {
 protected:
  World w;

  // What both answer to a command without authorisation.
  static void same(client::Tpm& a, client::Tpm& b, uint32_t ordinal, const Bytes& params, const std::string& what) {
    client::Reply one = a.run(ordinal, params), other = b.run(ordinal, params);
    EXPECT_EQ(one.code, other.code) << what;
    EXPECT_EQ(client::hex(one.params), client::hex(other.params)) << what;
  }
  static void same_as_owner(client::Tpm& a, client::Tpm& b, const client::Command& command, const std::string& what) {
    client::Reply one = a.run_oiap(command, kOwnerAuth), other = b.run_oiap(command, kOwnerAuth);
    EXPECT_TRUE(ok(one)) << what;
    EXPECT_TRUE(ok(other)) << what;
    EXPECT_EQ(client::hex(one.params), client::hex(other.params)) << what;
  }
};

TEST_F(ConvertTest, CarriesOwnerAndStorageRootKey) {
  Imported to(converted(w));
  same_as_owner(w.tpm, to.tpm, {.ordinal = 0x81, .params = Out().u32(client::kSrk)}, "OwnerReadInternalPub, SRK");
  same_as_owner(w.tpm, to.tpm, {.ordinal = 0x81, .params = Out().u32(client::kEk)}, "OwnerReadInternalPub, EK");
  EXPECT_TRUE(
      refused(to.tpm.run_oiap({.ordinal = 0x81, .params = Out().u32(client::kSrk)}, world::kWrong), rc::AuthFail));
}

TEST_F(ConvertTest, OpensWhatWasSealed) {
  Bytes secret = client::bytes_of("sealed with libtpms");
  Digest composite = client::composite(client::pcr_selection({10}), {Digest{}});
  Bytes info = client::pcr_info(client::pcr_selection({10}), composite);
  auto sealed = w.tpm.seal(client::kSrk, kSrkAuth, secret, kDataAuth);
  auto to_pcr = w.tpm.seal(client::kSrk, kSrkAuth, secret, kDataAuth, info);
  ASSERT_TRUE(ok(sealed));
  ASSERT_TRUE(ok(to_pcr));
  Imported to(converted(w));
  EXPECT_EQ(to.tpm.unseal(client::kSrk, kSrkAuth, sealed.value, kDataAuth).value, secret);
  EXPECT_EQ(to.tpm.unseal(client::kSrk, kSrkAuth, to_pcr.value, kDataAuth).value, secret);
  ASSERT_TRUE(ok(to.tpm.extend(10, client::secret("event"))));
  EXPECT_TRUE(refused(to.tpm.unseal(client::kSrk, kSrkAuth, to_pcr.value, kDataAuth), rc::WrongPcrVal));
}

TEST_F(ConvertTest, LoadsAHierarchyOfKeys) {
  auto parent = w.tpm.load_key2(client::kSrk, kSrkAuth, w.keys().storage.encode());
  ASSERT_TRUE(ok(parent));
  auto child = w.tpm.create_wrap_key(parent.value.handle, kKeyAuth, client::signing_key(), kKeyAuth);
  ASSERT_TRUE(ok(child));
  Imported to(converted(w));
  auto above = to.tpm.load_key2(client::kSrk, kSrkAuth, w.keys().storage.encode());
  ASSERT_TRUE(ok(above));
  auto below = to.tpm.load_key2(above.value.handle, kKeyAuth, child.value.encode());
  ASSERT_TRUE(ok(below));
  auto signature = to.tpm.sign(below.value.handle, kKeyAuth, client::bytes_of(client::secret("text")));
  ASSERT_TRUE(ok(signature));
  EXPECT_TRUE(client::verify_sha1(child.value.pub(), client::secret("text"), signature.value));
  EXPECT_TRUE(ok(to.tpm.load_key2(client::kSrk, kSrkAuth, w.keys().identity.encode())));
  EXPECT_TRUE(ok(to.tpm.load_key2(client::kSrk, kSrkAuth, w.keys().bind.encode())));
}

TEST_F(ConvertTest, CarriesNvAreas) {
  Nv nv(w.tpm);
  client::NvPublic plain{.index = 0x00011101,
                         .attributes = client::kNvAuthRead | client::kNvAuthWrite | client::kNvWriteDefine,
                         .bytes = 19};
  client::NvPublic to_pcrs{
      .index = 0x00011102, .attributes = client::kNvOwnerWrite | client::kNvReadStClear, .bytes = 5};
  to_pcrs.read = {.selection = client::pcr_selection({3}),
                  .locality = 0x03,
                  .at_release = client::composite(client::pcr_selection({3}), {Digest{}})};
  ASSERT_TRUE(ok(nv.define_as_owner(plain, kOwnerAuth, kAreaAuth)));
  ASSERT_TRUE(ok(nv.define_as_owner(to_pcrs, kOwnerAuth)));
  ASSERT_TRUE(ok(nv.write_auth(plain.index, 0, client::bytes_of("nineteen characters"), kAreaAuth)));
  ASSERT_TRUE(ok(nv.write_auth(plain.index, 0, {}, kAreaAuth)));  // locks it: bWriteDefine
  ASSERT_TRUE(ok(nv.write_as_owner(to_pcrs.index, 0, client::bytes_of("bound"), kOwnerAuth)));
  w.machine().power_cycle();  // which ends the locks that a loss of power ends
  ASSERT_TRUE(ok(w.tpm.startup()));
  convert::Converted result = converted(w);
  EXPECT_TRUE(says(result, true, "2 NV areas with 24 bytes: 0x00011101, 0x00011102"));
  Imported to(result);
  Nv there(to.tpm);
  for (uint32_t index : {plain.index, to_pcrs.index}) {
    same(w.tpm, to.tpm, 0x65, Out().u32(0x11).sized(Out().u32(index)), "TPM_CAP_NV_INDEX");
  }
  EXPECT_EQ(there.read_auth(plain.index, 0, 19, kAreaAuth).value, client::bytes_of("nineteen characters"));
  EXPECT_TRUE(refused(there.read_auth(plain.index, 0, 19, world::kWrong), rc::AuthFail));
  EXPECT_TRUE(refused(there.write_auth(plain.index, 0, {1}, kAreaAuth), rc::AreaLocked));
  EXPECT_EQ(there.read(to_pcrs.index, 0, 5).value, client::bytes_of("bound"));
  ASSERT_TRUE(ok(to.tpm.extend(3, client::secret("event"))));
  EXPECT_TRUE(refused(there.read(to_pcrs.index, 0, 5), rc::WrongPcrVal));
}

TEST_F(ConvertTest, CountersGoOn) {
  Counters counters(w.tpm);
  uint32_t first = counters.create(kOwnerAuth, kCounterAuth, "1st ").value.id;
  for (int i = 0; i < 3; i++) ASSERT_TRUE(ok(counters.increment(first, kCounterAuth)));
  w.machine().power_cycle();
  ASSERT_TRUE(ok(w.tpm.startup()));
  auto second = counters.create(kOwnerAuth, client::secret("another"), "2nd ");
  ASSERT_TRUE(ok(second));
  Imported to(converted(w));
  Counters there(to.tpm);
  for (uint32_t id : {first, second.value.id}) {
    auto a = counters.read(id), b = there.read(id);
    ASSERT_TRUE(ok(b)) << id;
    EXPECT_EQ(a.value.count, b.value.count);
    EXPECT_EQ(a.value.label, b.value.label);
  }
  EXPECT_TRUE(refused(there.increment(first, world::kWrong), rc::AuthFail));
  auto next = there.increment(first, kCounterAuth);
  ASSERT_TRUE(ok(next));
  EXPECT_EQ(next.value.count, counters.read(first).value.count + 1);
  ASSERT_TRUE(ok(there.release(second.value.id, client::secret("another"))));
  auto fresh = there.create(kOwnerAuth, kCounterAuth, "3rd ");
  ASSERT_TRUE(ok(fresh));
  EXPECT_GT(fresh.value.count, second.value.count) << "no counter starts below one that there was";
}

TEST_F(ConvertTest, CarriesDelegation) {
  client::Reply made = w.tpm.run_oiap(client::manage(0, client::kFamilyCreate, {'f'}), kOwnerAuth);
  ASSERT_TRUE(ok(made));
  Imported to(converted(w));
  same(w.tpm, to.tpm, 0xdb, {}, "Delegate_ReadTable");
}

TEST_F(ConvertTest, CarriesWhatIsAudited) {
  auto set = [&](uint32_t ordinal, bool audited) {
    return w.tpm.run_oiap({.ordinal = 0x8d, .params = Out().u32(ordinal).u8(audited)}, kOwnerAuth);
  };
  ASSERT_TRUE(ok(set(0x14, true)));
  ASSERT_TRUE(ok(set(0x5b, false)));
  w.machine().power_cycle();
  ASSERT_TRUE(ok(w.tpm.startup()));
  Imported to(converted(w));
  client::Reply before = w.tpm.run(0x85, Out().u32(0)), after = to.tpm.run(0x85, Out().u32(0));
  ASSERT_TRUE(ok(before));
  ASSERT_TRUE(ok(after));
  // After the audit digest and its counter come the ordinals.
  EXPECT_EQ(client::hex(before.params), client::hex(after.params));
}

TEST_F(ConvertTest, CarriesFlags) {
  // disableOwnerClear, readSRKPub
  ASSERT_TRUE(ok(w.tpm.run_oiap({.ordinal = 0x5d - 1}, kOwnerAuth)));
  ASSERT_TRUE(
      ok(w.tpm.run_oiap({.ordinal = 0x3f, .params = Out().u32(1).sized(Out().u32(17)).sized({1})}, kOwnerAuth)));
  Imported to(converted(w));
  auto flags = [](client::Tpm& tpm) { return tpm.get_capability(4, Out().u32(0x108)).value; };
  Bytes before = flags(w.tpm), after = flags(to.tpm);
  ASSERT_EQ(before.size(), after.size());
  for (size_t i = 2; i < before.size(); i++) {
    if (i - 2 == 5) continue;  // allowMaintenance
    EXPECT_EQ(before[i], after[i]) << "flag " << i - 2;
  }
}

TEST_F(ConvertTest, CarriesKeysUnderOwnerControl) {
  auto key = w.tpm.load_key2(client::kSrk, kSrkAuth, w.keys().sign.encode());
  ASSERT_TRUE(ok(key));
  Bytes params = Out().raw(client::PubKey{w.keys().sign.parms, w.keys().sign.modulus}.encode()).u32(1).u8(1);
  ASSERT_TRUE(
      ok(w.tpm.run_oiap({.ordinal = 0x23, .handles = Out().u32(key.value.handle), .params = params}, kOwnerAuth)));
  Imported to(converted(w));
  auto signature = to.tpm.sign(key.value.handle, kKeyAuth, client::bytes_of(client::secret("text")));
  ASSERT_TRUE(ok(signature));
  EXPECT_TRUE(client::verify_sha1(w.keys().sign.pub(), client::secret("text"), signature.value));
}

TEST(Convert, TakesATpmWithoutOwner) {
  World w(world::Stage::Started);
  Imported to(converted(w));
  auto before = w.tpm.read_pubek(), after = to.tpm.read_pubek();
  ASSERT_TRUE(ok(after));
  EXPECT_EQ(before.value.modulus, after.value.modulus);
  ASSERT_TRUE(ok(to.tpm.take_ownership(after.value, kOwnerAuth, kSrkAuth)));
  auto sealed = to.tpm.seal(client::kSrk, kSrkAuth, {1, 2, 3}, kDataAuth);
  ASSERT_TRUE(ok(sealed));
  EXPECT_EQ(to.tpm.unseal(client::kSrk, kSrkAuth, sealed.value, kDataAuth).value, (Bytes{1, 2, 3}));
}

TEST(Convert, TakesATpmWithoutEndorsementKey) {
  World w(world::Stage::Bare);
  convert::Converted result = converted(w);
  EXPECT_TRUE(result.endorsement_modulus.empty());
  EXPECT_TRUE(says(result, false, "endorsement key: there is none"));
  Imported to(result);
  EXPECT_TRUE(refused(to.tpm.read_pubek(), rc::NoEndorsement));
}

}  // namespace
