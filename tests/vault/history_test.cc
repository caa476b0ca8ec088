// SPDX-License-Identifier: MIT
// What the vault tells of an instance's life, and that a crash leaves nothing untold.
#include "backend/vault/moving.h"
#include "tests/vault/vault_client.h"

namespace vault {
namespace {

std::string text(const Deed& deed) { return {deed.text.bytes().begin(), deed.text.bytes().end()}; }

class Histories : public VaultTest {
 protected:
  void write_database(const char* sql) {
    auto database = Database::open(file("vtpm.db"), "", false);
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE(database.value().run(sql).ok());
  }
};

TEST_F(Histories, TellALife) {
  {
    auto vault = open();
    ASSERT_TRUE(vault->create(kOne, {}).ok());
    ASSERT_TRUE(vault->put_items(kOne, {{Item::Endorsement, {1}}}, {deed(Happened::Endorsed, "certified")}).ok());
    ASSERT_TRUE(vault->quarantine(kOne, "by command").ok());
    ASSERT_TRUE(vault->quarantine(kOne, "by command").ok());
    ASSERT_TRUE(vault->quarantine(kOne, "").ok());
    ASSERT_TRUE(vault->renew_key(kOne, {}).ok());
    ASSERT_TRUE(vault->renew_key(kOne, {}).ok());
    ASSERT_TRUE(vault->remove(kOne).ok());
  }
  auto vault = open();
  EXPECT_EQ(told(*vault, kOne), (What{Happened::Created, Happened::Endorsed, Happened::Quarantined, Happened::Lifted,
                                      Happened::Rekeyed, Happened::Deleted}));
  auto entries = vault->history(kOne).value().deeds.items;
  EXPECT_EQ(text(entries[1]), "certified");
  EXPECT_EQ(text(entries[2]), "by command");
  EXPECT_GT(entries[0].time, 1'000'000'000U);
  EXPECT_EQ(vault->history(kTwo).error().kind, Refusal::Kind::Unknown);
}

TEST_F(Histories, BeginWithTheInstanceThoughItsTpmIsOlder) {
  auto vault = open();
  History past;
  past.add(deed(Happened::Endorsed));
  InstanceKey key;
  ASSERT_TRUE(vault
                  ->add_spare(kTwo, key, {}, seal(key, kTwo, Purpose::Permanent, 1, base::Bytes{1}),
                              {{Item::History, past.kept()}})
                  .ok());
  ASSERT_TRUE(vault->create(kOne, {}).ok());
  EXPECT_EQ(told(*vault, kOne), (What{Happened::Created, Happened::Endorsed}));
  EXPECT_EQ(vault->history(kTwo).error().kind, Refusal::Kind::Unknown) << "it never was an instance";
}

TEST_F(Histories, AreBoundedAndKeepTheBeginning) {
  auto vault = open();
  ASSERT_TRUE(vault->create(kOne, {}).ok());
  for (uint64_t i = 0; i < 200; i++) {
    ASSERT_TRUE(vault->put_items(kOne, {}, {deed(Happened::Reverted, std::string(2000, 'x'), i)}).ok());
  }
  History history = vault->history(kOne).value();
  EXPECT_EQ(history.deeds.items.size(), History::kMost);
  EXPECT_EQ(history.dropped, 201 - History::kMost);
  EXPECT_EQ(history.deeds.items[0].what, Happened::Created);
  EXPECT_EQ(history.deeds.items[1].number, 200 - (History::kMost - 1));
  EXPECT_EQ(history.deeds.items.back().number, 199U);
  EXPECT_LE(history.kept().size(), History::kMost * (History::kLongestText + 32));
}

TEST_F(Histories, OfAnOlderInstanceBeginsWithItsRecord) {
  make(kOne, 1);
  write_database("DELETE FROM items");
  auto vault = open();
  EXPECT_EQ(told(*vault, kOne), (What{Happened::Created}));
  EXPECT_EQ(vault->history(kOne).value().deeds.items[0].time, vault->entry(kOne).value().created);
  ASSERT_TRUE(vault->quarantine(kOne, "why").ok());
  EXPECT_EQ(told(*vault, kOne), (What{Happened::Created, Happened::Quarantined}));
}

TEST_F(Histories, OneThatIsDamagedSaysSo) {
  make(kOne, 1);
  write_database("UPDATE items SET envelope = zeroblob(100) WHERE item = 1");
  auto vault = open();
  EXPECT_EQ(told(*vault, kOne), (What{Happened::Lost}));
  EXPECT_EQ(content(*vault, kOne), "state") << "the instance works on";
  ASSERT_TRUE(vault->renew_key(kOne, {}).ok());
  EXPECT_EQ(told(*vault, kOne), (What{Happened::Lost, Happened::Rekeyed}));
}

TEST_F(Histories, ForgedOrNewerOnesAreNone) {
  History history;
  history.add(deed(Happened::Created, "text"));
  base::Bytes kept = history.kept();
  ASSERT_TRUE(History::from_kept(kept).has_value());
  for (size_t n = 0; n < kept.size(); n++) EXPECT_FALSE(History::from_kept(base::View(kept).first(n)).has_value()) << n;
  kept[0] = 2;
  EXPECT_FALSE(History::from_kept(kept).has_value());
  while (history.deeds.items.size() <= History::kMost) history.deeds.items.push_back(deed(Happened::Reverted));
  EXPECT_FALSE(History::from_kept(history.kept()).has_value()) << "too many";
  History wordy;
  Deed long_one = deed(Happened::Created);
  long_one.text = wire::SizedBytes(base::Bytes(History::kLongestText + 1));
  wordy.deeds.items = {long_one};
  EXPECT_FALSE(History::from_kept(wordy.kept()).has_value()) << "too long";
}

// A crash after the register was written, before the database.
TEST_F(Histories, WhatACrashLeftUntoldIsToldAtTheNextStart) {
  make(kOne, 1);
  make(kTwo, 1);
  auto database = [&] {
    std::ifstream in(file("vtpm.db"), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  auto put_back = [&](const std::string& old) {
    std::ofstream(file("vtpm.db"), std::ios::binary) << old;
    fs::remove(file("vtpm.db-wal"));
  };
  std::string old = database();
  {
    auto vault = open();
    ASSERT_TRUE(vault->quarantine(kOne, "worn out").ok());
    ASSERT_TRUE(vault->remove(kTwo).ok());
  }
  put_back(old);
  for (int starts = 0; starts < 2; starts++) {
    auto vault = open();
    EXPECT_EQ(told(*vault, kOne), (What{Happened::Created, Happened::Quarantined}));
    EXPECT_EQ(text(vault->history(kOne).value().deeds.items[1]), "worn out");
    EXPECT_EQ(told(*vault, kTwo), (What{Happened::Created, Happened::Deleted}));
  }
  old = database();
  ASSERT_TRUE(open()->quarantine(kOne, "").ok());
  put_back(old);
  EXPECT_EQ(told(*open(), kOne), (What{Happened::Created, Happened::Quarantined, Happened::Lifted}));
}

class MovedHistories : public VaultTest {
 protected:
  MovedHistories() {
    here_ = vault_in("here");
    there_ = vault_in("there");
    EXPECT_TRUE(here_->create(kOne, {}).ok());
    EXPECT_TRUE(commit(*here_, kOne, 0, sealed(*here_, kOne, 1, "secret")).ok());
  }
  std::unique_ptr<SqliteVault> vault_in(const std::string& name) {
    auto vault = SqliteVault::open({.directory = base_ + "/" + name});
    EXPECT_TRUE(vault.ok()) << (vault.ok() ? "" : vault.error().text);
    return std::move(vault).take();
  }
  static void move(Vault& from, Vault& to) {
    Moving source(from, "source"), destination(to, "destination");
    std::string here = fingerprint(source.identity().value().signing);
    std::string there = fingerprint(destination.identity().value().signing);
    auto invitation = destination.invite(kOne);
    auto paper = source.export_to(kOne, invitation.value(), there, from.load(kOne).value().power);
    ASSERT_TRUE(paper.ok()) << paper.error().text;
    auto arrived = destination.import(paper.value(), here);
    ASSERT_TRUE(arrived.ok()) << arrived.error().text;
    ASSERT_TRUE(destination.import(paper.value(), here).ok()) << "again";
    auto token = source.release(kOne, arrived.value().receipt);
    ASSERT_TRUE(token.ok()) << token.error().text;
    ASSERT_TRUE(destination.import(token.value(), "").ok());
  }

  std::unique_ptr<SqliteVault> here_, there_;
};

TEST_F(MovedHistories, GoAlongAndGoOn) {
  move(*here_, *there_);
  EXPECT_EQ(told(*here_, kOne), (What{Happened::Created, Happened::Exported, Happened::MovedOut}));
  EXPECT_EQ(told(*there_, kOne), (What{Happened::Created, Happened::Arrived, Happened::Came}));
  auto entries = there_->history(kOne).value().deeds.items;
  EXPECT_EQ(text(entries[1]), "from host 'source'");
  EXPECT_EQ(entries[1].number, 1U);
  here_.reset();
  here_ = vault_in("here");
  EXPECT_EQ(told(*here_, kOne), (What{Happened::Created, Happened::Exported, Happened::MovedOut})) << "told once";
}

TEST_F(MovedHistories, TellOfAnAbort) {
  Moving source(*here_, "source"), destination(*there_, "destination");
  std::string there = fingerprint(destination.identity().value().signing);
  ASSERT_TRUE(source.export_to(kOne, destination.invite({}).value(), there, {}).ok());
  ASSERT_TRUE(source.abort(kOne).ok());
  ASSERT_TRUE(source.export_to(kOne, destination.invite({}).value(), there, {}).ok());
  ASSERT_TRUE(source.abort(kOne).ok());
  EXPECT_EQ(told(*here_, kOne),
            (What{Happened::Created, Happened::Exported, Happened::Kept, Happened::Exported, Happened::Kept}));
}

}  // namespace
}  // namespace vault
