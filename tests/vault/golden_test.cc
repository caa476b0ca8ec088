// SPDX-License-Identifier: MIT
// State directories as earlier versions left them, one a format; every later version reads them all.
#include "backend/vault/moving.h"
#include "tests/vault/vault_client.h"

namespace vault {
namespace {

class Golden : public VaultTest {
 protected:
  void take(const std::string& format) {
    fs::create_directory(options_.directory);
    for (const char* part : {"master.key", "register", "vtpm.db"}) {
      fs::copy_file("tests/data/vault/" + format + "/" + part, file(part));
    }
  }
};

TEST_F(Golden, FormatOneIsReadWithEverythingInIt) {
  take("1");
  auto vault = open();
  ASSERT_NE(vault, nullptr);
  Instance one = vault->load(kOne).value();
  EXPECT_EQ(content(*vault, kOne), "golden state");
  EXPECT_EQ(one.epoch, 2U);
  EXPECT_EQ(one.settings.label, wire::SizedBytes(base::Bytes{'g', 'o', 'l', 'd', 'e', 'n'}));
  EXPECT_FALSE(one.settings.physical_presence_command);
  EXPECT_EQ(one.settings.localities, 0x1f);
  EXPECT_TRUE(one.settings.endorsement_key && one.settings.enabled && !one.settings.activated);
  EXPECT_EQ(one.power.kind, Power::Kind::Suspended);
  EXPECT_EQ(one.power.cycle, 9U);
  EXPECT_EQ(one.power.host[15], 0x77);
  EXPECT_EQ(one.power.domain, 12);
  EXPECT_EQ(one.power.epoch, 2U);
  EXPECT_TRUE(one.power.saved_stands);
  auto snapshot = unseal(one.key, kOne, Purpose::Snapshot, 2, one.power.snapshot);
  ASSERT_TRUE(snapshot.has_value());
  EXPECT_EQ(std::string(snapshot->begin(), snapshot->end()), "golden snapshot");

  EXPECT_NE(vault->load(kTwo).error().text.find("golden reason"), std::string::npos);
  Uuid removed = kOne;
  removed[0] = 3;
  EXPECT_EQ(vault->create(removed, {}).error().kind, Refusal::Kind::Exists);
  EXPECT_EQ(vault->list().value().size(), 2U);
}

TEST_F(Golden, AVaultWithInstancesOnTheirWayIsRead) {
  take("moving");
  auto vault = open();
  ASSERT_NE(vault, nullptr);
  Uuid three = kOne;
  three[0] = 3;
  Passage gone = vault->entry(kOne).value().passage.value();
  EXPECT_EQ(gone.custody, Custody::Gone);
  EXPECT_EQ(gone.transfer.hop, 1U);
  EXPECT_EQ(gone.transfer.epoch, 1U);
  EXPECT_EQ(gone.other, wire::SizedBytes(base::Bytes{'d', 'e', 's', 't', 'i', 'n', 'a', 't', 'i', 'o', 'n'}));
  EXPECT_EQ(vault->load(kOne).error().kind, Refusal::Kind::Moved);
  EXPECT_EQ(vault->entry(kTwo).value().passage->custody, Custody::Leaving);
  EXPECT_TRUE(vault->ledger().awaited(three));
  Moving moving(*vault, "source");
  EXPECT_EQ(fingerprint(peers_of(*vault).value().at(0).key), fingerprint(gone.transfer.destination));
  auto token = moving.release(kOne, {});
  ASSERT_TRUE(token.ok());
  EXPECT_TRUE(read_transfer(token.value(), PaperKind::Token).value() == gone.transfer);
  ASSERT_TRUE(moving.abort(kTwo).ok());
  EXPECT_EQ(content(*vault, kTwo), "golden state");
}

}  // namespace
}  // namespace vault
