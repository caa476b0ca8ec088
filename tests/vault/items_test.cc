// SPDX-License-Identifier: MIT
// What is kept beside the state of an instance.
#include "tests/vault/vault_client.h"

namespace vault {

namespace {

base::Bytes bytes(const std::string& text) { return {text.begin(), text.end()}; }
std::string text(Vault& vault, const Uuid& uuid, Item item) {
  auto found = vault.item(uuid, item);
  if (!found.ok()) return "refused: " + found.error().text;
  return {found.value().begin(), found.value().end()};
}

class Items : public VaultTest {
 protected:
  void write_database(const char* sql) {
    auto database = Database::open(file("vtpm.db"), "", false);
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE(database.value().run(sql).ok());
  }
};

TEST_F(Items, ComeWithAnInstance) {
  {
    auto vault = open();
    ASSERT_TRUE(vault->create(kOne, {}, {{Item::Measure, bytes("a")}}).ok());
    EXPECT_EQ(vault->create(kOne, {}, {{Item::Measure, bytes("b")}}).error().kind, Refusal::Kind::Exists);
  }
  auto vault = open();
  EXPECT_EQ(text(*vault, kOne, Item::Measure), "a");
}

TEST_F(Items, AreKeptForInstancesAndForTheHost) {
  {
    auto vault = open();
    ASSERT_TRUE(vault->create(kOne, {}).ok());
    EXPECT_EQ(text(*vault, kOne, Item::Measure), "");
    ASSERT_TRUE(vault->put_items(kOne, {{Item::Measure, bytes("a")}, {Item::EventLog, bytes("b")}}).ok());
    ASSERT_TRUE(vault->put_items(kOne, {{Item::Measure, bytes("c")}}).ok());
    ASSERT_TRUE(vault->put_items(kHost, {{Item::Authority, bytes("d")}}).ok());
    EXPECT_EQ(vault->put_items(kTwo, {{Item::Measure, bytes("e")}}).error().kind, Refusal::Kind::Unknown);
  }
  auto vault = open();
  EXPECT_EQ(text(*vault, kOne, Item::Measure), "c");
  EXPECT_EQ(text(*vault, kOne, Item::EventLog), "b");
  EXPECT_EQ(text(*vault, kHost, Item::Authority), "d");
  EXPECT_EQ(text(*vault, kTwo, Item::Measure), "");
}

TEST_F(Items, OutliveTheirInstance) {
  auto vault = open();
  ASSERT_TRUE(vault->create(kOne, {}).ok());
  ASSERT_TRUE(vault->remove(kOne).ok());
  ASSERT_TRUE(vault->put_items(kOne, {{Item::EventLog, bytes("moved")}}).ok());
  EXPECT_EQ(text(*vault, kOne, Item::EventLog), "moved");
}

TEST_F(Items, GoAlongToANewMasterKey) {
  {
    auto vault = open();
    ASSERT_TRUE(vault->create(kOne, {}).ok());
    ASSERT_TRUE(vault->put_items(kOne, {{Item::Measure, bytes("a")}}).ok());
    ASSERT_TRUE(vault->put_items(kHost, {{Item::Identity, bytes("b")}}).ok());
    ASSERT_TRUE(vault->renew_master({}).ok());
    EXPECT_EQ(text(*vault, kOne, Item::Measure), "a");
  }
  auto vault = open();
  EXPECT_EQ(text(*vault, kOne, Item::Measure), "a");
  EXPECT_EQ(text(*vault, kHost, Item::Identity), "b");
}

TEST_F(Items, OneDoesNotOpenInThePlaceOfAnother) {
  {
    auto vault = open();
    ASSERT_TRUE(vault->create(kOne, {}).ok());
    ASSERT_TRUE(vault->put_items(kOne, {{Item::Measure, bytes("a")}}).ok());
  }
  write_database("UPDATE items SET item = 2 WHERE item = 4");
  auto vault = open();
  EXPECT_NE(text(*vault, kOne, Item::EventLog).find("damaged"), std::string::npos);
  EXPECT_EQ(text(*vault, kOne, Item::Measure), "");
}

}  // namespace

}  // namespace vault
