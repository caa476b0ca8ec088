// SPDX-License-Identifier: MIT
// A copy that has arrived, and whose source is said to be lost: when it may run, and what later papers do then.
#include "backend/vault/keeping.h"
#include "backend/vault/moving.h"
#include "tests/vault/lying_disk.h"
#include "tests/vault/vault_client.h"

namespace vault {
namespace {

bool says(const auto& result, const std::string& text) {
  return !result.ok() && result.error().text.find(text) != std::string::npos;
}

// The rule alone.
class Inheriting : public ::testing::Test {
 protected:
  static Ledger with(Custody custody, const Transfer& transfer = kTransfer) {
    Ledger ledger;
    ledger.passages[kOne] = {custody, transfer, 5, {}};
    return ledger;
  }
  static Custody custody(const Ledger& ledger) { return ledger.find(kOne)->custody; }

  static constexpr HostKey kSource{1}, kHere{2}, kThird{3};
  static constexpr Transfer kTransfer{
      .uuid = kOne, .id = {4}, .hop = 3, .epoch = 9, .invitation = {6}, .source = kSource, .destination = kHere};
};

TEST_F(Inheriting, OnlyWhatHasArrivedIsInherited) {
  struct Case {
    Custody custody;
    const char* why;
  };
  for (const Case& one : {Case{Custody::Stayed, "runs here already"}, Case{Custody::Leaving, "--abort"},
                          Case{Custody::Gone, "moved to another host"}, Case{Custody::Come, "runs here already"},
                          Case{Custody::Elsewhere, "discarded"}}) {
    Ledger ledger = with(one.custody);
    auto done = inherit(ledger, kOne, true);
    EXPECT_TRUE(says(done, one.why)) << one.why;
    EXPECT_EQ(custody(ledger), one.custody);
  }
  Ledger ledger = with(Custody::Arrived);
  EXPECT_TRUE(inherit(ledger, kOne, true).value());
  EXPECT_EQ(custody(ledger), Custody::Restored);
  EXPECT_EQ(ledger.find(kOne)->transfer, kTransfer);
  EXPECT_FALSE(inherit(ledger, kOne, true).value()) << "said again";
  EXPECT_EQ(custody(ledger), Custody::Restored);
  EXPECT_FALSE(ledger.awaited(kOne));
}

TEST_F(Inheriting, WhatIsOfNoOtherHostIsNot) {
  Ledger ledger;
  EXPECT_TRUE(says(inherit(ledger, kOne, false), "import its export first"));
  EXPECT_TRUE(says(inherit(ledger, kOne, true), "came from no other host"));
  EXPECT_TRUE(ledger.passages.empty());
  Transfer backup = kTransfer;
  backup.invitation = {};
  ledger = with(Custody::Restored, backup);
  EXPECT_FALSE(inherited(*ledger.find(kOne)));
  EXPECT_TRUE(says(inherit(ledger, kOne, true), "runs here already"));
}

TEST_F(Inheriting, TheTokenComesTooLateAndDoesNoHarm) {
  Ledger ledger = with(Custody::Restored);
  EXPECT_TRUE(come(ledger, kTransfer).ok());
  EXPECT_EQ(custody(ledger), Custody::Restored);
  Transfer other = kTransfer;
  other.id = {5};
  EXPECT_TRUE(says(come(ledger, other), "another transfer"));
}

TEST_F(Inheriting, ALaterNoticeIsRefusedWithWhatItMeans) {
  Ledger ledger = with(Custody::Restored);
  EXPECT_TRUE(says(discard(ledger, kTransfer), "there are two of the instance"));
  EXPECT_EQ(custody(ledger), Custody::Restored);
}

TEST_F(Inheriting, TheExportIsNotTakenAgain) {
  Ledger ledger = with(Custody::Restored);
  ledger.invitations.push_back({{6}, {}, 0});
  EXPECT_TRUE(says(arrive(ledger, kTransfer, kHere, true, 0), "said to be lost"));
  Transfer newer = kTransfer;
  newer.id = {5};
  newer.hop = 4;
  EXPECT_TRUE(says(arrive(ledger, newer, kHere, true, 0), "on this host"));
  EXPECT_TRUE(says(invite(ledger, {{7}, kOne, 0}, true), "on this host"));
  EXPECT_FALSE(stay(ledger, kOne).ok());
  EXPECT_FALSE(leave(ledger, kTransfer).ok());
  EXPECT_EQ(custody(ledger), Custody::Restored);
}

TEST_F(Inheriting, MovesOnAndItsMovesAreCountedOn) {
  Ledger ledger = with(Custody::Restored);
  auto onward = depart(ledger, {kOne, 10, {8}, kHere, kThird}, {9}, 0);
  ASSERT_TRUE(onward.ok());
  EXPECT_EQ(onward.value().hop, kTransfer.hop + 1);
  EXPECT_FALSE(come(ledger, kTransfer).ok()) << "that token would run it here again";
  EXPECT_FALSE(inherit(ledger, kOne, true).ok());
  EXPECT_EQ(custody(ledger), Custody::Leaving);
}

// With vaults.
class LostSource : public VaultTest {
 protected:
  LostSource() {
    here_ = vault_in("here");
    there_ = vault_in("there");
    source_.emplace(*here_, "source");
    destination_.emplace(*there_, "destination");
    EXPECT_TRUE(here_->create(kOne, {}).ok());
    EXPECT_TRUE(here_->put_items(kOne, {{Item::Measure, {1, 2, 3}}}).ok());
    EXPECT_TRUE(commit(*here_, kOne, 0, sealed(*here_, kOne, 1, "secret")).ok());
  }
  std::unique_ptr<SqliteVault> vault_in(const std::string& name) {
    auto vault = SqliteVault::open({.directory = base_ + "/" + name});
    EXPECT_TRUE(vault.ok()) << (vault.ok() ? "" : vault.error().text);
    return vault.ok() ? std::move(vault).take() : nullptr;
  }
  void reopen_there() {
    there_.reset();
    there_ = vault_in("there");
    destination_.emplace(*there_, "destination");
  }
  static std::string print(Moving& of) { return fingerprint(of.identity().value().signing); }
  static base::Bytes exported(Moving& from, Moving& to, const Uuid& uuid = kOne) {
    auto paper = from.export_to(uuid, to.invite({}).value(), print(to), {});
    EXPECT_TRUE(paper.ok()) << paper.error().text;
    return paper.ok() ? paper.value() : base::Bytes();
  }
  // The receipt.
  base::Bytes arrived() {
    paper_ = exported(*source_, *destination_);
    auto imported = destination_->import(paper_, print(*source_));
    EXPECT_TRUE(imported.ok()) << imported.error().text;
    return imported.ok() ? imported.value().receipt : base::Bytes();
  }
  void inherit_it() {
    auto done = destination_->inherit(kOne, true);
    ASSERT_TRUE(done.ok()) << done.error().text;
    ASSERT_TRUE(done.value().anew);
  }

  std::unique_ptr<SqliteVault> here_, there_;
  std::optional<Moving> source_, destination_;
  base::Bytes paper_;
};

TEST_F(LostSource, SaysWhatItWouldDoAndDoesItWhenThatIsConfirmed) {
  arrived();
  auto said = destination_->inherit(kOne, false);
  for (const std::string& part : {std::string("epoch 1"), std::string("host 'source'"), print(*source_),
                                  std::string("two of it"), std::string("--yes")}) {
    EXPECT_TRUE(says(said, part)) << part;
  }
  EXPECT_NE(content(*there_, kOne).find("may not run"), std::string::npos);
  EXPECT_FALSE(there_->remove(kOne).ok());
  EXPECT_EQ(told(*there_), (What{Happened::Created, Happened::Arrived}));
  inherit_it();
  for (int opened = 0; opened < 2; opened++, reopen_there()) {
    EXPECT_EQ(content(*there_, kOne), "secret");
    EXPECT_EQ(there_->item(kOne, Item::Measure).value(), (base::Bytes{1, 2, 3}));
    EXPECT_TRUE(inherited(there_->entry(kOne).value().passage.value()));
    EXPECT_EQ(there_->entry(kOne).value().quarantine, "");
    EXPECT_EQ(told(*there_), (What{Happened::Created, Happened::Arrived, Happened::Restored}));
  }
  auto again = destination_->inherit(kOne, false);
  ASSERT_TRUE(again.ok()) << again.error().text;
  EXPECT_FALSE(again.value().anew);
  Deed deed = there_->history(kOne).value().deeds.items.back();
  std::string text(deed.text.bytes().begin(), deed.text.bytes().end());
  EXPECT_NE(text.find("host 'source'"), std::string::npos) << text;
  EXPECT_NE(text.find("an administrator said"), std::string::npos) << text;
  ASSERT_TRUE(commit(*there_, kOne, 1, sealed(*there_, kOne, 2, "later")).ok());
  EXPECT_EQ(content(*there_, kOne), "later");
}

TEST_F(LostSource, IsDeletedForEver) {
  arrived();
  inherit_it();
  ASSERT_TRUE(there_->remove(kOne).ok());
  EXPECT_TRUE(says(destination_->inherit(kOne, true), "deleted here"));
  EXPECT_FALSE(there_->load(kOne).ok());
}

TEST_F(LostSource, PapersOfTheSourceThatComeLaterChangeNothing) {
  base::Bytes receipt = arrived();
  inherit_it();
  EXPECT_TRUE(says(destination_->import(paper_, print(*source_)), "said to be lost"));
  base::Bytes token = source_->release(kOne, receipt).value();
  EXPECT_TRUE(destination_->import(token, "").ok());
  EXPECT_EQ(there_->entry(kOne).value().passage->custody, Custody::Restored);
  EXPECT_EQ(content(*there_, kOne), "secret");
  EXPECT_EQ(told(*there_), (What{Happened::Created, Happened::Arrived, Happened::Restored}));
}

TEST_F(LostSource, ANoticeThatComesLaterIsRefusedAndTheCopyStays) {
  arrived();
  base::Bytes notice = source_->abort(kOne).value();
  inherit_it();
  EXPECT_TRUE(says(destination_->import(notice, ""), "vtpmctl delete"));
  EXPECT_EQ(content(*there_, kOne), "secret");
}

TEST_F(LostSource, MovesOnToAThirdHost) {
  base::Bytes receipt = arrived();
  inherit_it();
  ASSERT_TRUE(commit(*there_, kOne, 1, sealed(*there_, kOne, 2, "later")).ok());
  auto vault = vault_in("third");
  Moving third(*vault, "third");
  auto imported = third.import(exported(*destination_, third), print(*destination_));
  ASSERT_TRUE(imported.ok()) << imported.error().text;
  auto token = destination_->release(kOne, imported.value().receipt);
  ASSERT_TRUE(token.ok()) << token.error().text;
  ASSERT_TRUE(third.import(token.value(), "").ok());
  EXPECT_EQ(content(*vault, kOne), "later");
  EXPECT_EQ(vault->entry(kOne).value().passage->transfer.hop, 2U);
  EXPECT_FALSE(destination_->import(source_->release(kOne, receipt).value(), "").ok()) << "it is over here";
  EXPECT_TRUE(says(destination_->inherit(kOne, true), "moved to another host"));
}

// The source had kept it, worked on, and was backed up before it burnt down: the copy is older.
TEST_F(LostSource, GivesWayToALaterBackupOfTheSource) {
  const base::Secret<32> recovery{{9, 8, 7}};
  arrived();
  ASSERT_TRUE(source_->abort(kOne).ok());
  ASSERT_TRUE(commit(*here_, kOne, 1, sealed(*here_, kOne, 2, "later")).ok());
  base::Bytes file = Keeping(*here_, "source").backup(kOne, {agreeing_half(recovery)}).value().file;
  Keeping keeping(*there_, "destination");
  Keeping::Wish wish{.key = file_key(read_backup(file).value(), recovery), .source_lost = true, .confirmed = true};
  EXPECT_TRUE(says(keeping.revert(kOne, file, wish), "vtpmctl import --source-lost"));
  inherit_it();
  auto done = keeping.revert(kOne, file, wish);
  ASSERT_TRUE(done.ok()) << done.error().text;
  EXPECT_EQ(content(*there_, kOne), "later");
  EXPECT_TRUE(inherited(there_->entry(kOne).value().passage.value()));
  EXPECT_EQ(told(*there_), (What{Happened::Created, Happened::Arrived, Happened::Restored, Happened::Reverted}));
}

TEST_F(LostSource, NothingThatIsHereOrElsewhereIsInherited) {
  EXPECT_TRUE(says(destination_->inherit(kOne, true), "import its export first"));
  EXPECT_TRUE(says(source_->inherit(kOne, true), "came from no other host"));
  base::Bytes receipt = arrived();
  EXPECT_TRUE(says(source_->inherit(kOne, true), "--abort"));
  base::Bytes token = source_->release(kOne, receipt).value();
  EXPECT_TRUE(says(source_->inherit(kOne, true), "moved to another host"));
  ASSERT_TRUE(destination_->import(token, "").ok());
  EXPECT_TRUE(says(destination_->inherit(kOne, true), "runs here already"));
  EXPECT_EQ(content(*there_, kOne), "secret");
}

// The ledger says that it has arrived, and the power failed before all of it was stored.
TEST_F(LostSource, ACopyThatHasNotArrivedWholeIsNotRunUnseen) {
  arrived();
  ASSERT_TRUE(source_->abort(kOne).ok());
  base::Bytes again = exported(*source_, *destination_);
  Transfer transfer = here_->ledger().find(kOne)->transfer;
  Ledger ledger = there_->ledger();
  ASSERT_TRUE(arrive(ledger, transfer, transfer.destination, true, 0).ok());
  ASSERT_TRUE(there_->set_ledger(ledger).ok());
  reopen_there();
  EXPECT_TRUE(says(destination_->inherit(kOne, false), "import that again"));
  ASSERT_TRUE(destination_->inherit(kOne, true).ok());
  EXPECT_NE(content(*there_, kOne).find("not arrived whole"), std::string::npos) << content(*there_, kOne);
  EXPECT_TRUE(there_->remove(kOne).ok());
}

TEST_F(LostSource, AnExportThatIsImportedAgainMakesItWhole) {
  paper_ = exported(*source_, *destination_);
  Transfer transfer = here_->ledger().find(kOne)->transfer;
  Ledger ledger = there_->ledger();
  ASSERT_TRUE(arrive(ledger, transfer, transfer.destination, false, 0).ok());
  ASSERT_TRUE(there_->set_ledger(ledger).ok());
  reopen_there();
  ASSERT_TRUE(destination_->import(paper_, print(*source_)).ok());
  inherit_it();
  EXPECT_EQ(content(*there_, kOne), "secret");
}

// The power fails at any write of an import, in the place of an earlier copy of the same epoch: what runs afterwards is
// the newer one as a whole.
TEST_F(LostSource, ACrashOfTheImportMixesNoCopies) {
  LyingDisk disk;
  std::mt19937 random(7);
  int whole = 0, quarantined = 0;
  for (uint64_t step = 1; step < 30; step++) {
    options_ = {.directory = base_ + "/there-" + std::to_string(step), .vfs = LyingDisk::kName};
    auto vault = open();
    ASSERT_NE(vault, nullptr);
    std::optional<Moving> destination(std::in_place, *vault, "there-" + std::to_string(step));
    ASSERT_TRUE(here_->put_items(kOne, {{Item::Measure, {1}}}).ok());
    ASSERT_TRUE(destination->import(exported(*source_, *destination), print(*source_)).ok());
    ASSERT_TRUE(source_->abort(kOne).ok());
    ASSERT_TRUE(here_->put_items(kOne, {{Item::Measure, {2}}}).ok());
    base::Bytes paper = exported(*source_, *destination);
    disk.die_at(step);
    bool answered = destination->import(paper, print(*source_)).ok();
    destination.reset();
    vault.reset();
    disk.lose_power(random);
    ASSERT_TRUE(source_->abort(kOne).ok());
    vault = open();
    ASSERT_NE(vault, nullptr) << step;
    ASSERT_TRUE(Moving(*vault, "there").inherit(kOne, true).ok());
    bool runs = vault->load(kOne).ok();
    EXPECT_TRUE(runs || !answered);
    (runs ? whole : quarantined)++;
    if (!runs) continue;
    EXPECT_EQ(content(*vault, kOne), "secret") << step;
    // A failure before anything was entered leaves the earlier copy as it was.
    bool newer = vault->ledger().find(kOne)->transfer == read_export(paper).value().transfer;
    EXPECT_EQ(vault->item(kOne, Item::Measure).value(), base::Bytes(1, newer ? 2 : 1)) << step;
  }
  EXPECT_GT(whole, 0);
  EXPECT_GT(quarantined, 0);
}

}  // namespace
}  // namespace vault
