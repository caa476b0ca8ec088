// SPDX-License-Identifier: MIT
// TPMs made in advance, as the vault keeps and gives them.
#include "tests/vault/vault_client.h"

namespace vault {
namespace {

constexpr Uuid kSpare = {9, 9, 9};

class Spares : public VaultTest {
 protected:
  static void add(Vault& vault, const Uuid& uuid = kSpare, const Settings& settings = {},
                  const std::vector<ItemValue>& items = {}) {
    InstanceKey key({7});
    base::Bytes plain = {'m', 'a', 'd', 'e', uuid[0]};
    ASSERT_TRUE(vault.add_spare(uuid, key, settings, seal(key, uuid, Purpose::Permanent, 1, plain), items).ok());
  }
};

TEST_F(Spares, AnInstanceGetsTheStateAndNobodyElseDoes) {
  {
    auto vault = open();
    add(*vault);
  }
  auto vault = open();
  EXPECT_EQ(vault->spares({}), 1U);
  EXPECT_TRUE(vault->list().value().empty()) << "it is no instance";
  const base::Bytes with_it = {1, 2, 3};
  ASSERT_TRUE(vault->create(kOne, {}, {{Item::Measure, with_it}}).ok());
  EXPECT_EQ(vault->item(kOne, Item::Measure).value(), with_it);
  EXPECT_EQ(vault->spares({}), 0U);
  EXPECT_EQ(vault->load(kOne).value().epoch, 1U);
  EXPECT_EQ(content(*vault, kOne), "made\x09");
  ASSERT_TRUE(vault->create(kTwo, {}).ok());
  EXPECT_EQ(vault->load(kTwo).value().epoch, 0U);
  vault.reset();
  vault = open();
  EXPECT_EQ(vault->spares({}), 0U);
  EXPECT_EQ(content(*vault, kOne), "made\x09");
}

TEST_F(Spares, OnlyForSettingsThatTheStateWasMadeWith) {
  auto vault = open();
  add(*vault, kSpare, {.enabled = false});
  EXPECT_EQ(vault->spares({}), 0U);
  ASSERT_TRUE(vault->create(kOne, {}).ok());
  EXPECT_EQ(vault->load(kOne).value().epoch, 0U);
  Settings alike{.label = wire::SizedBytes(base::Bytes{'x'}), .localities = 3, .enabled = false};
  ASSERT_TRUE(vault->create(kTwo, alike).ok());
  EXPECT_EQ(vault->load(kTwo).value().epoch, 1U);
  EXPECT_EQ(vault->load(kTwo).value().settings.localities, 3);
}

TEST_F(Spares, AStateThatDoesNotOpenIsNeitherKeptNorGiven) {
  auto vault = open();
  InstanceKey key({7});
  base::Bytes plain = {1};
  EXPECT_FALSE(vault->add_spare(kSpare, key, {}, seal(key, kOne, Purpose::Permanent, 1, plain), {}).ok());
  add(*vault);
  Uuid other = kSpare;
  other[0] = 8;  // before it
  add(*vault, other);
  vault.reset();
  {
    auto database = Database::open(file("vtpm.db"), "", false);
    ASSERT_TRUE(database.value().run("UPDATE spares SET record = zeroblob(100) WHERE hex(uuid) LIKE '08%'").ok());
  }
  vault = open();
  EXPECT_EQ(vault->spares({}), 1U);
  ASSERT_TRUE(vault->create(kOne, {}).ok());
  EXPECT_EQ(content(*vault, kOne), "made\x09");
}

TEST_F(Spares, AnOlderDatabaseDoesNotGiveOneTwice) {
  {
    auto vault = open();
    add(*vault);
  }
  fs::copy_file(file("vtpm.db"), file("vtpm.db") + ".old");
  {
    auto vault = open();
    ASSERT_TRUE(vault->create(kOne, {}).ok());
  }
  fs::remove(file("vtpm.db-wal"));
  fs::rename(file("vtpm.db") + ".old", file("vtpm.db"));
  auto vault = open();
  EXPECT_EQ(vault->spares({}), 0U);
  ASSERT_TRUE(vault->create(kTwo, {}).ok());
  EXPECT_EQ(vault->load(kTwo).value().epoch, 0U);
  EXPECT_NE(content(*vault, kOne).find("its state is missing"), std::string::npos);
}

TEST_F(Spares, ItemsBecomeTheInstances) {
  base::Bytes told = {'e', 'k'};
  {
    auto vault = open();
    add(*vault, kSpare, {}, {{Item::Endorsement, told}});
    EXPECT_EQ(vault->item(kSpare, Item::Endorsement).value(), told);
  }
  auto vault = open();
  ASSERT_TRUE(vault->create(kOne, {}).ok());
  EXPECT_EQ(vault->item(kOne, Item::Endorsement).value(), told);
  EXPECT_TRUE(vault->item(kSpare, Item::Endorsement).value().empty()) << "there is one of it";
  ASSERT_TRUE(vault->renew_master({}).ok());
  EXPECT_EQ(vault->item(kOne, Item::Endorsement).value(), told);
}

TEST_F(Spares, ItemsGoWithThem) {
  auto vault = open();
  ASSERT_TRUE(vault->create(kTwo, {}).ok());
  ASSERT_TRUE(vault->put_items(kTwo, {{Item::Measure, {'m'}}}).ok());
  add(*vault, kSpare, {}, {{Item::Endorsement, {'e', 'k'}}});
  ASSERT_TRUE(vault->renew_master({}).ok());
  EXPECT_TRUE(vault->item(kSpare, Item::Endorsement).value().empty());
  EXPECT_FALSE(vault->item(kTwo, Item::Measure).value().empty());
}

TEST_F(Spares, CanBeDropped) {
  {
    auto vault = open();
    add(*vault, kSpare, {}, {{Item::Endorsement, {'e', 'k'}}});
    ASSERT_TRUE(vault->drop_spares().ok());
    EXPECT_EQ(vault->spares({}), 0U);
    add(*vault, kOne);
  }
  auto vault = open();
  EXPECT_EQ(vault->spares({}), 1U) << "those that come after are kept";
  EXPECT_TRUE(vault->item(kSpare, Item::Endorsement).value().empty());
}

TEST_F(Spares, ANewMasterKeyEndsThem) {
  auto vault = open();
  add(*vault);
  ASSERT_TRUE(vault->renew_master({}).ok());
  EXPECT_EQ(vault->spares({}), 0U);
  vault.reset();
  vault = open();
  EXPECT_EQ(vault->spares({}), 0U);
}

TEST_F(Spares, NoneIsAnInstanceInItsOwnName) {
  auto vault = open();
  add(*vault);
  vault.reset();
  {
    auto database = Database::open(file("vtpm.db"), "", false);
    ASSERT_TRUE(database.value().run("INSERT INTO instances SELECT * FROM spares").ok());
  }
  vault = open();
  EXPECT_FALSE(vault->load(kSpare).ok()) << "its record is not an instance's";
}

}  // namespace
}  // namespace vault
