// SPDX-License-Identifier: MIT
// An instance that moves between two vaults by files, and what a thief or a forger can do with those.
#include "backend/vault/moving.h"

#include "tests/vault/vault_client.h"

namespace vault {

namespace {

class Moves : public VaultTest {
 protected:
  Moves() {
    reopen();
    EXPECT_TRUE(here_->create(kOne, {.label = wire::SizedBytes(base::Bytes{'w', 'e', 'b'}), .localities = 5}).ok());
    EXPECT_TRUE(commit(*here_, kOne, 0, sealed(*here_, kOne, 1, "secret")).ok());
    EXPECT_TRUE(here_->put_items(kOne, {{Item::Measure, {1, 2, 3}}}).ok());
  }
  std::unique_ptr<SqliteVault> vault_in(const std::string& name) {
    auto vault = SqliteVault::open({.directory = base_ + "/" + name});
    EXPECT_TRUE(vault.ok()) << (vault.ok() ? "" : vault.error().text);
    return std::move(vault).take();
  }
  // As after a restart of both hosts.
  void reopen() {
    here_.reset();
    there_.reset();
    here_ = vault_in("here");
    there_ = vault_in("there");
    source_.emplace(*here_, "source");
    destination_.emplace(*there_, "destination");
  }
  // What it starts from: what it last left.
  static Power power(Vault& vault) { return vault.load_locked(kOne).value().power; }
  std::string print(Moving& of) { return fingerprint(of.identity().value().signing); }

  base::Bytes invitation() { return destination_->invite(kOne).value(); }
  Result<base::Bytes> exported(const base::Bytes& to) {
    return source_->export_to(kOne, to, print(*destination_), power(*here_));
  }
  Result<base::Bytes> arrived(const base::Bytes& paper) {
    auto imported = destination_->import(paper, print(*source_));
    if (!imported.ok()) return imported.error();
    return imported.value().receipt;
  }
  static std::string why(const auto& result) { return result.ok() ? "done" : result.error().text; }
  static bool says(const auto& result, const std::string& text) {
    return !result.ok() && result.error().text.find(text) != std::string::npos;
  }
  // Neither side has lost anything: the move goes on to its end.
  void expect_goes_on(const base::Bytes& paper) {
    auto receipt = arrived(paper);
    ASSERT_TRUE(receipt.ok()) << why(receipt);
    auto token = source_->release(kOne, receipt.value());
    ASSERT_TRUE(token.ok()) << why(token);
    auto came = destination_->import(token.value(), "");
    ASSERT_TRUE(came.ok()) << why(came);
    EXPECT_EQ(content(*there_, kOne), "secret");
    EXPECT_NE(content(*here_, kOne).find("moved to host 'destination'"), std::string::npos) << content(*here_, kOne);
  }

  std::unique_ptr<SqliteVault> here_, there_;
  std::optional<Moving> source_, destination_;
};

TEST_F(Moves, TheWholeInstanceGoes) {
  Power saved = power(*here_);
  saved.kind = Power::Kind::Suspended;
  saved.cycle = 7;
  saved.epoch = 1;
  saved.saved_stands = true;
  saved.snapshot = wire::SizedBytes(
      seal(here_->load(kOne).value().key, kOne, Purpose::Snapshot, 1, base::Bytes{'p', 'c', 'r', 's'}));
  ASSERT_TRUE(here_->set_power(kOne, saved).ok());
  InstanceKey key = here_->load(kOne).value().key;
  base::Bytes paper = exported(invitation()).value();
  expect_goes_on(paper);
  Instance moved = there_->load(kOne).value();
  EXPECT_EQ(moved.settings.localities, 5);
  EXPECT_EQ(moved.settings.label.bytes(), (base::Bytes{'w', 'e', 'b'}));
  EXPECT_EQ(moved.epoch, 1U);
  EXPECT_EQ(moved.power.kind, Power::Kind::Suspended);
  EXPECT_EQ(moved.power.cycle, 7U);
  EXPECT_TRUE(moved.power.saved_stands);
  EXPECT_FALSE(moved.key == key) << "the other host's key opens nothing here";
  auto pcrs = unseal(moved.key, kOne, Purpose::Snapshot, 1, moved.power.snapshot);
  ASSERT_TRUE(pcrs.has_value());
  EXPECT_EQ(*pcrs, (base::Bytes{'p', 'c', 'r', 's'}));
  EXPECT_EQ(there_->item(kOne, Item::Measure).value(), (base::Bytes{1, 2, 3}));
  std::string plain = "secret";
  EXPECT_EQ(std::search(paper.begin(), paper.end(), plain.begin(), plain.end()), paper.end());
}

TEST_F(Moves, EveryStepRepeatedGivesTheSame) {
  base::Bytes invited = invitation();
  base::Bytes first = exported(invited).value();
  reopen();
  base::Bytes second = exported(invited).value();
  base::Bytes receipt = arrived(first).value();
  reopen();
  EXPECT_EQ(arrived(second).value(), receipt);
  EXPECT_NE(content(*there_, kOne).find("may not run"), std::string::npos);
  base::Bytes token = source_->release(kOne, receipt).value();
  reopen();
  EXPECT_EQ(source_->release(kOne, receipt).value(), token);
  EXPECT_EQ(source_->release(kOne, {}).value(), token) << "also without the receipt";
  ASSERT_TRUE(destination_->import(token, "").ok());
  EXPECT_TRUE(destination_->import(token, "").ok());
  ASSERT_TRUE(commit(*there_, kOne, 1, sealed(*there_, kOne, 2, "later")).ok());
  EXPECT_EQ(arrived(first).value(), receipt);
  EXPECT_EQ(content(*there_, kOne), "later") << "an export that comes again changes nothing";
}

TEST_F(Moves, ItsPapersSayWhatBecameOfIt) {
  base::Bytes paper = exported(invitation()).value();
  auto first = destination_->import(paper, print(*source_));
  ASSERT_TRUE(first.ok()) << why(first);
  EXPECT_FALSE(first.value().had_come);
  base::Bytes token = source_->release(kOne, first.value().receipt).value();
  ASSERT_TRUE(destination_->import(token, "").ok());
  EXPECT_TRUE(destination_->import(paper, "").value().had_come);
  ASSERT_TRUE(there_->remove(kOne).ok());
  EXPECT_TRUE(says(destination_->import(token, ""), "was deleted here"));
  EXPECT_TRUE(says(destination_->import(paper, ""), "was deleted here"));
  reopen();
  EXPECT_TRUE(says(destination_->import(token, ""), "was deleted here"));
}

TEST_F(Moves, ThereAndBackAndThereAgain) {
  expect_goes_on(exported(invitation()).value());
  auto back = source_->invite(kOne);
  ASSERT_TRUE(back.ok()) << why(back);
  auto paper = destination_->export_to(kOne, back.value(), print(*source_), power(*there_));
  ASSERT_TRUE(paper.ok()) << why(paper);
  auto receipt = source_->import(paper.value(), print(*destination_));
  ASSERT_TRUE(receipt.ok()) << why(receipt);
  auto token = destination_->release(kOne, receipt.value().receipt);
  ASSERT_TRUE(source_->import(token.value(), "").ok());
  EXPECT_EQ(content(*here_, kOne), "secret");
  EXPECT_NE(content(*there_, kOne).find("moved to host 'source'"), std::string::npos);
  reopen();
  expect_goes_on(exported(invitation()).value());
}

TEST_F(Moves, AnAbortKeepsItAndTheOtherCopyNeverRuns) {
  base::Bytes invited = invitation();
  base::Bytes paper = exported(invited).value();
  EXPECT_NE(content(*here_, kOne).find("locked"), std::string::npos);
  EXPECT_FALSE(here_->create(kOne, {}).ok());
  EXPECT_FALSE(here_->remove(kOne).ok()) << "a move is ended first";
  base::Bytes receipt = arrived(paper).value();
  base::Bytes notice = source_->abort(kOne).value();
  EXPECT_EQ(source_->abort(kOne).value(), notice);
  EXPECT_EQ(content(*here_, kOne), "secret");
  EXPECT_TRUE(says(source_->release(kOne, receipt), "aborted"));
  EXPECT_EQ(content(*here_, kOne), "secret");
  ASSERT_TRUE(destination_->import(notice, "").ok());
  EXPECT_TRUE(destination_->import(notice, "").ok());
  reopen();
  EXPECT_FALSE(there_->create(kOne, {}).ok()) << "it is at the source, not new";
  EXPECT_TRUE(says(arrived(paper), "over"));
  base::Bytes again = exported(invitation()).value();
  EXPECT_FALSE(source_->release(kOne, receipt).ok()) << "of another transfer";
  expect_goes_on(again);
}

TEST_F(Moves, ANewExportTakesThePlaceOfOneThatWasAborted) {
  arrived(exported(invitation()).value()).value();
  ASSERT_TRUE(source_->abort(kOne).ok());
  auto invited = destination_->invite({});
  ASSERT_TRUE(invited.ok());
  expect_goes_on(exported(invited.value()).value());
}

TEST_F(Moves, NoAbortAfterTheToken) {
  base::Bytes receipt = arrived(exported(invitation()).value()).value();
  ASSERT_TRUE(source_->release(kOne, receipt).ok());
  EXPECT_TRUE(says(source_->abort(kOne), "token may have been given"));
}

TEST_F(Moves, AnInvitationIsUsedOnce) {
  base::Bytes invited = destination_->invite({}).value();
  base::Bytes paper = exported(invited).value();
  ASSERT_TRUE(here_->create(kTwo, {}).ok());
  base::Bytes other = source_->export_to(kTwo, invited, print(*destination_), here_->load(kTwo).value().power).value();
  ASSERT_TRUE(arrived(paper).ok());
  EXPECT_TRUE(says(arrived(other), "used before"));
  expect_goes_on(paper);
  ASSERT_TRUE(source_->abort(kTwo).ok());
  EXPECT_TRUE(here_->load(kTwo).ok());
}

TEST_F(Moves, AWithdrawnInvitationIsNone) {
  base::Bytes invited = invitation();
  base::Bytes paper = exported(invited).value();
  EXPECT_EQ(destination_->withdraw(kOne).value(), 1U);
  EXPECT_TRUE(says(arrived(paper), "withdrawn"));
  ASSERT_TRUE(source_->abort(kOne).ok());
  expect_goes_on(exported(invitation()).value());
}

TEST_F(Moves, WhatIsAwaitedIsNotMadeAnew) {
  invitation();
  reopen();
  auto made = there_->create(kOne, {});
  EXPECT_TRUE(says(made, "awaited"));
  EXPECT_EQ(there_->load(kOne).error().kind, Refusal::Kind::Unknown);
  EXPECT_TRUE(there_->ledger().awaited(kOne));
  destination_->withdraw({}).value();
  EXPECT_TRUE(there_->create(kOne, {}).ok());
}

TEST_F(Moves, AnExistingInstanceIsNotOverwritten) {
  base::Bytes invited = destination_->invite({}).value();
  ASSERT_TRUE(there_->create(kOne, {}).ok());
  EXPECT_FALSE(destination_->invite(kOne).ok());
  EXPECT_TRUE(says(arrived(exported(invited).value()), "on this host"));
  EXPECT_EQ(there_->load(kOne).value().epoch, 0U);
}

TEST_F(Moves, AThiefOfTheExportHasNothing) {
  base::Bytes paper = exported(invitation()).value();
  auto thief = vault_in("thief");
  Moving with(*thief, "destination");
  EXPECT_TRUE(says(with.import(paper, print(*source_)), "for the host with key"));
  EXPECT_EQ(thief->list().value().size(), 0U);
  expect_goes_on(paper);
}

TEST_F(Moves, AForgedReceiptReleasesNothing) {
  base::Bytes invited = invitation();
  base::Bytes paper = exported(invited).value();
  auto forger = vault_in("forger");
  Identity other = Identity::of(*forger, "destination").value();
  Transfer transfer = here_->ledger().find(kOne)->transfer;
  EXPECT_TRUE(says(source_->release(kOne, write_transfer(other, PaperKind::Receipt, transfer)), "signature is wrong"));
  transfer.destination = other.key();  // then it is signed by whom it names
  EXPECT_TRUE(says(source_->release(kOne, write_transfer(other, PaperKind::Receipt, transfer)), "another transfer"));
  expect_goes_on(paper);
}

TEST_F(Moves, AForgedTokenStartsNothing) {
  base::Bytes paper = exported(invitation()).value();
  ASSERT_TRUE(arrived(paper).ok());
  auto forger = vault_in("forger");
  Identity other = Identity::of(*forger, "source").value();
  Transfer transfer = here_->ledger().find(kOne)->transfer;
  EXPECT_TRUE(says(destination_->import(write_transfer(other, PaperKind::Token, transfer), ""), "signature is wrong"));
  Identity own = Identity::of(*there_, "destination").value();
  EXPECT_TRUE(says(destination_->import(write_transfer(own, PaperKind::Token, transfer), ""), "signature is wrong"));
  EXPECT_FALSE(there_->load(kOne).ok());
  expect_goes_on(paper);
}

TEST_F(Moves, ATokenIsNotReplayed) {
  base::Bytes first = exported(invitation()).value();
  base::Bytes token = source_->release(kOne, arrived(first).value()).value();
  ASSERT_TRUE(destination_->import(token, "").ok());
  // Back, and on its way there again: the old papers start nothing.
  base::Bytes back =
      destination_->export_to(kOne, source_->invite(kOne).value(), print(*source_), power(*there_)).value();
  base::Bytes returned =
      destination_->release(kOne, source_->import(back, print(*destination_)).value().receipt).value();
  ASSERT_TRUE(source_->import(returned, "").ok());
  EXPECT_FALSE(destination_->import(token, "").ok());
  EXPECT_FALSE(arrived(first).ok());
  base::Bytes second = exported(invitation()).value();
  ASSERT_TRUE(arrived(second).ok());
  EXPECT_TRUE(says(destination_->import(token, ""), "another transfer"));
  EXPECT_FALSE(there_->load(kOne).ok());
  expect_goes_on(second);
}

TEST_F(Moves, AnotherKeyOfAKnownHostIsRefused) {
  expect_goes_on(exported(invitation()).value());
  ASSERT_TRUE(here_->create(kTwo, {}).ok());
  auto impostor = vault_in("impostor");
  Moving other(*impostor, "destination");
  base::Bytes invited = other.invite({}).value();
  auto refused = source_->export_to(kTwo, invited, print(other), here_->load(kTwo).value().power);
  EXPECT_TRUE(says(refused, "another key than before")) << why(refused);
  EXPECT_TRUE(here_->load(kTwo).ok()) << "it is not even locked";
  ASSERT_TRUE(forget_peer(*here_, "destination").ok());
  EXPECT_TRUE(source_->export_to(kTwo, invited, print(other), here_->load_locked(kTwo).value().power).ok());
}

TEST_F(Moves, AnUnknownHostHasToBeTrusted) {
  base::Bytes invited = invitation();
  auto refused = source_->export_to(kOne, invited, "", power(*here_));
  EXPECT_TRUE(says(refused, print(*destination_))) << "the fingerprint is shown";
  EXPECT_TRUE(here_->load(kOne).ok());
  base::Bytes paper = exported(invited).value();
  EXPECT_TRUE(says(destination_->import(paper, ""), print(*source_)));
  EXPECT_TRUE(says(destination_->import(paper, print(*destination_)), print(*source_))) << "of another host";
  expect_goes_on(paper);
}

// Of every paper: each byte, and each shorter form.
TEST_F(Moves, AFlippedBitIsSeen) {
  base::Bytes invited = invitation();
  auto each = [](const base::Bytes& paper, const auto& use) {
    for (size_t i = 0; i < paper.size(); i++) {
      base::Bytes flipped = paper;
      flipped[i] ^= static_cast<uint8_t>(1U << (i % 8));
      EXPECT_FALSE(use(flipped)) << "byte " << i;
      EXPECT_FALSE(use(base::Bytes(paper.begin(), paper.begin() + static_cast<ptrdiff_t>(i)))) << "cut at " << i;
    }
    base::Bytes longer = paper;
    longer.push_back(0);
    EXPECT_FALSE(use(longer));
  };
  each(invited, [&](const base::Bytes& paper) { return exported(paper).ok(); });
  EXPECT_TRUE(here_->load(kOne).ok());
  base::Bytes paper = exported(invited).value();
  auto imports = [&](const base::Bytes& bytes) { return destination_->import(bytes, print(*source_)).ok(); };
  each(paper, imports);
  EXPECT_EQ(there_->ledger().find(kOne), nullptr);
  base::Bytes receipt = arrived(paper).value();
  each(receipt, [&](const base::Bytes& bytes) { return !bytes.empty() && source_->release(kOne, bytes).ok(); });
  EXPECT_TRUE(here_->load_locked(kOne).ok());
  base::Bytes token = source_->release(kOne, receipt).value();
  each(token, imports);
  EXPECT_FALSE(there_->load(kOne).ok());
  expect_goes_on(paper);
}

TEST_F(Moves, APaperOfAnotherKindSaysWhatItIsFor) {
  base::Bytes invited = invitation();
  base::Bytes paper = exported(invited).value();
  base::Bytes receipt = arrived(paper).value();
  EXPECT_TRUE(says(destination_->import(invited, ""), "vtpmctl export"));
  EXPECT_TRUE(says(destination_->import(receipt, ""), "vtpmctl release"));
  EXPECT_FALSE(source_->release(kOne, paper).ok());
  EXPECT_FALSE(destination_->import(base::Bytes{1, 2, 3}, "").ok());
}

// A host that is trusted can send what it wants: it gets a refusal, or a copy that does not run, and nothing breaks.
TEST_F(Moves, ATrustedHostThatSendsNonsenseBreaksNothing) {
  base::Bytes paper = exported(invitation()).value();
  Identity from = Identity::of(*here_, "source").value(), to = Identity::of(*there_, "destination").value();
  ExportPaper sent = read_export(paper).value();
  base::SecretBytes plain = open_export(to, sent).value();
  auto import_of = [&](const base::Bytes& state) {
    return arrived(write_export(from, to.shown(), sent.transfer, state).value());
  };
  size_t refused = 0;
  for (size_t i = 0; i < plain.size(); i++) {
    base::Bytes state = base::copy_of(plain.reveal());
    state[i] ^= 0xff;
    refused += import_of(state).ok() ? 0 : 1;
    EXPECT_FALSE(import_of(base::Bytes(state.begin(), state.begin() + static_cast<ptrdiff_t>(i))).ok());
    EXPECT_FALSE(there_->load(kOne).ok());
  }
  EXPECT_GT(refused, 20U) << "lengths, kinds, localities, epochs";
  reopen();
  expect_goes_on(paper);
}

// What decides about a fork is not in the database.
TEST_F(Moves, AnOlderDatabasePutBackDoesNotBringItBack) {
  fs::path older = base_ + "/older";
  base::Bytes paper = exported(invitation()).value();
  base::Bytes receipt = arrived(paper).value();
  here_.reset();
  fs::copy(base_ + "/here/vtpm.db", older);
  reopen();
  base::Bytes token = source_->release(kOne, receipt).value();
  here_.reset();
  fs::remove(base_ + "/here/vtpm.db-wal");
  fs::copy(older, base_ + "/here/vtpm.db", fs::copy_options::overwrite_existing);
  reopen();
  EXPECT_FALSE(here_->load(kOne).ok());
  EXPECT_FALSE(here_->load_locked(kOne).ok()) << "its row is deleted again";
  EXPECT_EQ(source_->release(kOne, {}).value(), token);
  ASSERT_TRUE(destination_->import(token, "").ok());
}

TEST_F(Moves, TheListSaysWhereItIs) {
  base::Bytes paper = exported(invitation()).value();
  auto custody = [](Vault& vault) { return vault.entry(kOne).value().passage->custody; };
  EXPECT_EQ(custody(*here_), Custody::Leaving);
  base::Bytes receipt = arrived(paper).value();
  EXPECT_EQ(custody(*there_), Custody::Arrived);
  ASSERT_TRUE(source_->release(kOne, receipt).ok());
  reopen();
  Entry gone = here_->entry(kOne).value();
  EXPECT_EQ(gone.passage->custody, Custody::Gone);
  EXPECT_EQ(gone.quarantine, "") << "it is not missed";
}

TEST_F(Moves, GoAlongToANewMasterKey) {
  base::Bytes paper = exported(invitation()).value();
  ASSERT_TRUE(here_->renew_master({}).ok());
  ASSERT_TRUE(there_->renew_master({}).ok());
  reopen();
  expect_goes_on(paper);
}

}  // namespace

}  // namespace vault
