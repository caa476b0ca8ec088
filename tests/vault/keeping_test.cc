// SPDX-License-Identifier: MIT
// Backups: what may be put back, where, and what is refused with nothing changed.
#include "backend/vault/keeping.h"

#include "backend/vault/moving.h"
#include "tests/vault/lying_disk.h"
#include "tests/vault/vault_client.h"

namespace vault {
namespace {

class Keeps : public VaultTest {
 protected:
  Keeps() {
    here_ = vault_in("here");
    there_ = vault_in("there");
    EXPECT_TRUE(here_->create(kOne, {.label = wire::SizedBytes(base::Bytes{'w', 'e', 'b'}), .localities = 5}).ok());
    EXPECT_TRUE(here_->put_items(kOne, {{Item::Measure, {1}}, {Item::Endorsement, {'e', 'k'}}}).ok());
    EXPECT_TRUE(commit(*here_, kOne, 0, sealed(*here_, kOne, 1, "then")).ok());
  }
  std::string directory(const std::string& name) const { return base_ + "/" + name; }
  std::unique_ptr<SqliteVault> vault_in(const std::string& name) {
    auto vault = SqliteVault::open({.directory = directory(name)});
    EXPECT_TRUE(vault.ok()) << (vault.ok() ? "" : vault.error().text);
    return vault.ok() ? std::move(vault).take() : nullptr;
  }
  void reopen(std::unique_ptr<SqliteVault>& vault, const std::string& name) {
    vault.reset();
    vault = vault_in(name);
  }
  static void go_on(Vault& vault, const std::string& text) {
    uint64_t epoch = vault.load(kOne).value().epoch;
    ASSERT_TRUE(commit(vault, kOne, epoch, sealed(vault, kOne, epoch + 1, text)).ok());
  }

  base::Bytes backed_up(const std::vector<HostKey>& recovery = {}) {
    auto made = Keeping(*here_, "here").backup(kOne, recovery);
    EXPECT_TRUE(made.ok()) << made.error().text;
    return made.ok() ? made.value().file : base::Bytes();
  }
  base::Bytes recoverable() { return backed_up({agreeing_half(recovery_)}); }
  std::string print_here() { return fingerprint(Moving(*here_, "here").identity().value().signing); }
  // As vtpmctl asks for it on another host, when the first one is lost.
  Keeping::Wish all_said(const base::Bytes& file) {
    return {.key = file_key(read_backup(file).value(), recovery_),
            .trusted = print_here(),
            .source_lost = true,
            .confirmed = true};
  }
  static std::string revert(Vault& vault, const base::Bytes& file, Keeping::Wish wish = {.confirmed = true},
                            const Uuid& uuid = kOne) {
    auto done = Keeping(vault, "host").revert(uuid, file, wish);
    return done.ok() ? "done" : done.error().text;
  }
  static bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
  void move(Vault& from, const std::string& here, Vault& to, const std::string& there) {
    Moving source(from, here), destination(to, there);
    std::string a = fingerprint(source.identity().value().signing);
    std::string b = fingerprint(destination.identity().value().signing);
    auto paper = source.export_to(kOne, destination.invite({}).value(), b, {});
    ASSERT_TRUE(paper.ok()) << paper.error().text;
    auto arrived = destination.import(paper.value(), a);
    ASSERT_TRUE(arrived.ok()) << arrived.error().text;
    ASSERT_TRUE(destination.import(source.release(kOne, arrived.value().receipt).value(), "").ok());
  }
  std::string bytes_in(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  const base::Secret<32> recovery_{{9, 8, 7}};
  std::unique_ptr<SqliteVault> here_, there_;
};

TEST_F(Keeps, PutsBackWhatWasThen) {
  base::Bytes file = backed_up();
  go_on(*here_, "later");
  go_on(*here_, "now");
  ASSERT_TRUE(here_->put_items(kOne, {{Item::Measure, {2}}, {Item::Endorsement, {'o', 't', 'h', 'e', 'r'}}}).ok());
  Power power = here_->load(kOne).value().power;
  power.kind = Power::Kind::Suspended;
  power.cycle = 9;
  power.epoch = 3;
  power.snapshot = wire::SizedBytes(seal(here_->load(kOne).value().key, kOne, Purpose::Snapshot, 3, base::Bytes{'p'}));
  ASSERT_TRUE(here_->set_power(kOne, power).ok());
  ASSERT_EQ(revert(*here_, file), "done");
  for (int opened = 0; opened < 2; opened++, reopen(here_, "here")) {
    EXPECT_EQ(content(*here_, kOne), "then");
    Instance back = here_->load(kOne).value();
    EXPECT_EQ(back.epoch, 4U) << "above all that were seen: an old database is noticed";
    EXPECT_EQ(back.settings.localities, 5);
    EXPECT_EQ(back.power.kind, Power::Kind::Off);
    EXPECT_EQ(back.power.cycle, 9U);
    EXPECT_TRUE(back.power.snapshot.empty()) << "a volatile state of another past";
    EXPECT_TRUE(back.power.saved_stands) << "the saved domain may come as if it were a new boot";
    EXPECT_EQ(here_->item(kOne, Item::Endorsement).value(), (base::Bytes{'e', 'k'}));
    EXPECT_EQ(here_->item(kOne, Item::Measure).value(), (base::Bytes{2})) << "an administrator has decided that";
    EXPECT_EQ(told(*here_), (What{Happened::Created, Happened::Reverted}));
  }
  Deed deed = here_->history(kOne).value().deeds.items.back();
  std::string text(deed.text.bytes().begin(), deed.text.bytes().end());
  EXPECT_EQ(deed.number, 1U);
  EXPECT_TRUE(has(text, "(epoch 1), from epoch 3")) << text;
  go_on(*here_, "and on");
  EXPECT_EQ(content(*here_, kOne), "and on");
}

TEST_F(Keeps, SaysWhatIsUndoneBeforeItDoesAnything) {
  base::Bytes file = backed_up();
  go_on(*here_, "now");
  std::string said = revert(*here_, file, {});
  EXPECT_TRUE(has(said, "epoch 1") && has(said, "now it is at epoch 2") && has(said, "monotonic counters")) << said;
  EXPECT_TRUE(has(said, "--yes")) << said;
  EXPECT_EQ(content(*here_, kOne), "now");
  EXPECT_EQ(told(*here_), (What{Happened::Created}));
}

TEST_F(Keeps, AnyOtherFileIsRefusedAndChangesNothing) {
  base::Bytes file = recoverable();
  go_on(*here_, "now");
  for (size_t at = 0; at < file.size(); at++) {
    base::Bytes flipped = file;
    flipped[at] ^= 1;
    EXPECT_TRUE(has(revert(*here_, flipped), "the backup cannot be used: ")) << "byte " << at;
  }
  for (size_t n = 0; n < file.size(); n++) {
    base::Bytes part = base::copy_of(base::View(file).first(n));
    EXPECT_TRUE(has(revert(*here_, part), "the backup cannot be used: ")) << n << " bytes";
  }
  base::Bytes longer = file;
  longer.push_back(0);
  EXPECT_TRUE(has(revert(*here_, longer), "not whole"));
  base::Bytes other_version = file;
  other_version[8] = 0;
  EXPECT_TRUE(has(revert(*here_, other_version), "version 0, and this program knows version 1 alone"));
  ASSERT_TRUE(here_->create(kTwo, {}).ok());
  EXPECT_TRUE(has(revert(*here_, file, {.confirmed = true}, kTwo), "a backup of instance " + text_of(kOne)));
  EXPECT_EQ(content(*here_, kOne), "now");
  EXPECT_EQ(told(*here_), (What{Happened::Created}));
}

TEST_F(Keeps, OneOfAnotherHostIsRefusedWhereTheInstanceIs) {
  base::Bytes file = recoverable();
  move(*here_, "here", *there_, "there");
  go_on(*there_, "now");
  EXPECT_TRUE(has(revert(*there_, file, all_said(file)), "runs here since"));
  EXPECT_EQ(content(*there_, kOne), "now");
}

TEST_F(Keeps, OneThatIsMovedOrServedIsNotPutBack) {
  base::Bytes file = backed_up();
  {
    Lease lease = std::move(here_->lease(kOne)).take();
    EXPECT_TRUE(has(revert(*here_, file), "serves"));
  }
  Moving source(*here_, "here"), destination(*there_, "there");
  std::string there = fingerprint(destination.identity().value().signing);
  auto paper = source.export_to(kOne, destination.invite({}).value(), there, {});
  ASSERT_TRUE(paper.ok());
  EXPECT_TRUE(has(revert(*here_, file), "--abort"));
  EXPECT_TRUE(has(Keeping(*here_, "here").backup(kOne, {}).error().text, "locked"));
  auto arrived = destination.import(paper.value(), print_here());
  ASSERT_TRUE(arrived.ok());
  EXPECT_TRUE(has(revert(*there_, file), "waits for that host's token"));
  ASSERT_TRUE(source.release(kOne, arrived.value().receipt).ok());
  std::string said = revert(*here_, file);
  EXPECT_TRUE(has(said, "moved to host 'there'") && has(said, "--source-lost")) << said;
  EXPECT_TRUE(has(content(*here_, kOne), "moved to host 'there'"));
}

TEST_F(Keeps, ADeletedOneDoesNotComeBack) {
  base::Bytes file = backed_up();
  ASSERT_TRUE(here_->remove(kOne).ok());
  EXPECT_TRUE(has(revert(*here_, file), "deleted"));
  EXPECT_EQ(here_->entry(kOne).error().kind, Refusal::Kind::Unknown);
}

TEST_F(Keeps, MendsWhatDoesNotOpenAnyMore) {
  base::Bytes file = backed_up();
  go_on(*here_, "now");
  ASSERT_TRUE(here_->detached(kOne).ok());
  here_.reset();
  {
    auto database = Database::open(directory("here") + "/vtpm.db", "", false);
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE(database.value().run("UPDATE instances SET permanent = zeroblob(90)").ok());
  }
  here_ = vault_in("here");
  ASSERT_EQ(here_->load(kOne).error().kind, Refusal::Kind::Quarantined);
  ASSERT_EQ(revert(*here_, file), "done");
  EXPECT_EQ(content(*here_, kOne), "then");
  here_.reset();
  {
    auto database = Database::open(directory("here") + "/vtpm.db", "", false);
    ASSERT_TRUE(database.value().run("DELETE FROM instances").ok());
  }
  here_ = vault_in("here");
  ASSERT_EQ(here_->load(kOne).error().kind, Refusal::Kind::Quarantined) << "its row is missing";
  ASSERT_EQ(revert(*here_, file), "done");
  EXPECT_EQ(content(*here_, kOne), "then");
  EXPECT_EQ(here_->load(kOne).value().epoch, 4U);
}

TEST_F(Keeps, AnAdministratorsQuarantineStands) {
  base::Bytes file = backed_up();
  ASSERT_TRUE(here_->quarantine(kOne, "stolen").ok());
  ASSERT_EQ(revert(*here_, file), "done");
  EXPECT_TRUE(has(content(*here_, kOne), "stolen"));
  ASSERT_TRUE(here_->quarantine(kOne, "").ok());
  EXPECT_EQ(content(*here_, kOne), "then");
}

TEST_F(Keeps, IsRestoredElsewhereOnlyWhenItsHostIsSaidToBeLost) {
  base::Bytes file = recoverable();
  Keeping::Wish wish = all_said(file);
  auto without = [&](auto change) {
    Keeping::Wish less = wish;
    change(less);
    return revert(*there_, file, less);
  };
  EXPECT_TRUE(has(without([](auto& w) { w.source_lost = false; }), "--source-lost"));
  EXPECT_TRUE(has(without([](auto& w) { w.key.reset(); }), "--key FILE"));
  EXPECT_TRUE(has(without([](auto& w) { w.key.emplace(); }), "does not open it"));
  EXPECT_TRUE(has(without([](auto& w) { w.trusted.clear(); }), "--trust " + print_here()));
  EXPECT_TRUE(has(without([](auto& w) { w.confirmed = false; }), "--yes"));
  EXPECT_EQ(there_->entry(kOne).error().kind, Refusal::Kind::Unknown) << "nothing was done";
  ASSERT_EQ(revert(*there_, file, wish), "done");
  for (int opened = 0; opened < 2; opened++, reopen(there_, "there")) {
    EXPECT_EQ(content(*there_, kOne), "then");
    EXPECT_EQ(there_->load(kOne).value().settings.label.bytes(), (base::Bytes{'w', 'e', 'b'}));
    EXPECT_EQ(there_->item(kOne, Item::Measure).value(), (base::Bytes{1}));
    EXPECT_EQ(there_->entry(kOne).value().passage->custody, Custody::Restored);
    EXPECT_EQ(told(*there_), (What{Happened::Created, Happened::Restored}));
  }
  go_on(*there_, "there");
  EXPECT_EQ(revert(*there_, file, wish), "done") << "another time, from the same host";
  EXPECT_EQ(told(*there_), (What{Happened::Created, Happened::Restored, Happened::Reverted}));
}

TEST_F(Keeps, ABackupForItsHostAloneOpensNowhereElse) {
  base::Bytes file = backed_up();
  EXPECT_FALSE(file_key(read_backup(file).value(), recovery_).has_value());
  Keeping::Wish wish{.trusted = print_here(), .source_lost = true, .confirmed = true};
  EXPECT_TRUE(has(revert(*there_, file, wish), "--key FILE"));
  std::string plain = "then";
  EXPECT_EQ(std::search(file.begin(), file.end(), plain.begin(), plain.end()), file.end());
}

// The host with the tombstone takes it back when the other one has burnt down. The numbers of its moves go on.
TEST_F(Keeps, IsRestoredInThePlaceOfATombstoneAndMovesOn) {
  move(*here_, "here", *there_, "there");
  go_on(*there_, "there");
  auto made = Keeping(*there_, "there").backup(kOne, {agreeing_half(recovery_)});
  ASSERT_TRUE(made.ok());
  Keeping::Wish wish{
      .key = file_key(read_backup(made.value().file).value(), recovery_), .source_lost = true, .confirmed = true};
  std::string before = bytes_in(directory("here") + "/register");
  ASSERT_EQ(revert(*here_, made.value().file, wish), "done") << "its key is known from the move";
  EXPECT_EQ(content(*here_, kOne), "there");
  EXPECT_FALSE(Moving(*here_, "here").release(kOne, {}).ok()) << "no token is given again";
  reopen(here_, "here");
  EXPECT_EQ(content(*here_, kOne), "there");
  auto fresh = vault_in("fresh");
  move(*here_, "here", *fresh, "fresh");
  EXPECT_EQ(content(*fresh, kOne), "there");
  EXPECT_EQ(fresh->entry(kOne).value().passage->transfer.hop, 2U);
  reopen(here_, "here");
  EXPECT_TRUE(has(content(*here_, kOne), "moved to host 'fresh'")) << "what it was restored from is over";
}

// The machine dies after the database was written, before the register.
TEST_F(Keeps, ARestoreThatACrashInterruptsIsFinishedAtTheNextStart) {
  base::Bytes file = recoverable();
  ASSERT_TRUE(Moving(*there_, "there").identity().ok());
  ASSERT_TRUE(there_->create(kTwo, {}).ok());
  std::string old = bytes_in(directory("there") + "/register");
  ASSERT_EQ(revert(*there_, file, all_said(file)), "done");
  there_.reset();
  std::ofstream(directory("there") + "/register", std::ios::binary) << old;
  there_ = vault_in("there");
  EXPECT_EQ(content(*there_, kOne), "then");
  EXPECT_EQ(there_->entry(kOne).value().passage->custody, Custody::Restored);
  EXPECT_EQ(told(*there_), (What{Happened::Created, Happened::Restored}));
}

// The other host burnt down without a backup: what this one has is older, and better than nothing.
TEST_F(Keeps, AnOwnBackupTakesThePlaceOfATombstone) {
  base::Bytes file = backed_up();
  move(*here_, "here", *there_, "there");
  ASSERT_EQ(revert(*here_, file, {.source_lost = true, .confirmed = true}), "done");
  reopen(here_, "here");
  EXPECT_EQ(content(*here_, kOne), "then");
  EXPECT_EQ(here_->entry(kOne).value().passage->transfer.hop, 1U) << "its moves are counted on";
}

TEST_F(Keeps, ARestoreInThePlaceOfATombstoneIsFinishedToo) {
  move(*here_, "here", *there_, "there");
  auto made = Keeping(*there_, "there").backup(kOne, {agreeing_half(recovery_)});
  ASSERT_TRUE(made.ok());
  Keeping::Wish wish{
      .key = file_key(read_backup(made.value().file).value(), recovery_), .source_lost = true, .confirmed = true};
  std::string old = bytes_in(directory("here") + "/register");
  ASSERT_EQ(revert(*here_, made.value().file, wish), "done");
  here_.reset();
  std::ofstream(directory("here") + "/register", std::ios::binary) << old;
  here_ = vault_in("here");
  EXPECT_EQ(content(*here_, kOne), "then");
  EXPECT_EQ(told(*here_).back(), Happened::Restored);
}

TEST_F(Keeps, ARevertThatACrashInterruptsStands) {
  base::Bytes file = backed_up();
  go_on(*here_, "now");
  std::string old = bytes_in(directory("here") + "/register");
  ASSERT_EQ(revert(*here_, file), "done");
  here_.reset();
  std::ofstream(directory("here") + "/register", std::ios::binary) << old;
  here_ = vault_in("here");
  EXPECT_EQ(content(*here_, kOne), "then");
  EXPECT_EQ(told(*here_), (What{Happened::Created, Happened::Reverted}));
}

// Power that fails at any write: the old state without a record of it, or the new one with it.
TEST_F(Keeps, IsPutBackWithItsRecordOrNotAtAll) {
  LyingDisk disk;
  options_.vfs = LyingDisk::kName;
  make(kOne, 1);
  base::Bytes file;
  std::mt19937 random(6);
  int put_back = 0, left = 0;
  for (uint64_t round = 1; round < 40; round++) {
    auto vault = open();
    ASSERT_NE(vault, nullptr);
    if (file.empty()) file = Keeping(*vault, "here").backup(kOne, {}).value().file;
    go_on(*vault, "now");
    size_t before = told(*vault).size();
    disk.die_at(round % 20 + 1);
    bool answered = revert(*vault, file) == "done";
    vault.reset();
    disk.lose_power(random);
    vault = open();
    ASSERT_NE(vault, nullptr) << round;
    bool done = content(*vault, kOne) == "state";
    EXPECT_TRUE(done || content(*vault, kOne) == "now") << content(*vault, kOne);
    EXPECT_TRUE(done || !answered);
    EXPECT_EQ(told(*vault).size(), before + (done ? 1 : 0)) << round;
    (done ? put_back : left)++;
  }
  EXPECT_GT(put_back, 0);
  EXPECT_GT(left, 0);
}

}  // namespace
}  // namespace vault
