// SPDX-License-Identifier: MIT
// The vault on a disk that fails: what was acknowledged is there, what was refused is not, and it works on afterwards.
#include "tests/vault/lying_disk.h"
#include "tests/vault/vault_client.h"

namespace vault {
namespace {

using Kind = Refusal::Kind;

class Faults : public VaultTest {
 protected:
  Faults() { options_.vfs = LyingDisk::kName; }
  static std::string state(uint64_t epoch) { return "state " + std::to_string(epoch) + std::string(1500, '.'); }
  Result<> commit_state(Vault& vault, uint64_t epoch) {
    return commit(vault, kOne, epoch - 1, seal(key_, kOne, Purpose::Permanent, epoch, bytes_of(state(epoch))));
  }
  static base::Bytes bytes_of(const std::string& text) { return {text.begin(), text.end()}; }
  // False also when there is no answer: the machine has lost power.
  bool acknowledges(Vault& vault, uint64_t epoch) {
    auto stored = std::make_shared<std::optional<bool>>();
    base::Bytes blob = seal(key_, kOne, Purpose::Permanent, epoch, bytes_of(state(epoch)));
    vault.commit(kOne, epoch - 1, blob, [stored](Result<> r) { *stored = r.ok(); });
    while (!*stored && !disk_.failed()) complete(vault, 10);
    if (!*stored) complete(vault, 10);
    return stored->value_or(false);
  }
  void make_one() {
    make(kOne, 0);
    auto vault = open();
    key_ = vault->load(kOne).value().key;
    ASSERT_TRUE(commit_state(*vault, 1).ok());
  }

  LyingDisk disk_;
  InstanceKey key_;
};

TEST_F(Faults, LosesNothingAcknowledgedWhenThePowerFails) {
  make_one();
  std::mt19937 random(4);
  uint64_t acknowledged = 1, interrupted = 0;
  for (int round = 0; round < 150; round++) {
    auto vault = open();
    ASSERT_NE(vault, nullptr) << "round " << round;
    uint64_t tried = vault->load(kOne).value().epoch;
    disk_.die_at(1 + random() % 60);
    for (bool alive = true; alive;) {
      alive = acknowledges(*vault, ++tried);
      if (alive) acknowledged = tried;
    }
    vault.reset();
    disk_.lose_power(random);
    auto after = open();
    ASSERT_NE(after, nullptr) << "round " << round;
    uint64_t found = after->load(kOne).value().epoch;
    ASSERT_GE(found, acknowledged) << "round " << round;
    ASSERT_LE(found, tried);
    EXPECT_EQ(content(*after, kOne), state(found));
    interrupted += found < tried;
    acknowledged = found;
  }
  EXPECT_GT(interrupted, 0U);
}

TEST_F(Faults, NeverMakesAFreshInstanceOnADiskThatOnlySaysItSyncs) {
  make_one();
  std::mt19937 random(5);
  int refused = 0;
  for (int round = 0; round < 100; round++) {
    auto vault = SqliteVault::open(options_);
    if (!vault.ok()) {
      refused++;
      EXPECT_NE(vault.error().text.find("backup"), std::string::npos);
      break;
    }
    disk_.ignore_syncs(true);
    for (uint64_t i = 0, epoch = vault.value()->load(kOne).value().epoch; i < 10; i++) {
      ASSERT_TRUE(commit_state(*vault.value(), ++epoch).ok());
    }
    if (round % 2 == 0) {
      ASSERT_TRUE(vault.value()->detached(kOne).ok());
    }
    vault.value().reset();
    disk_.lose_power(random);
    auto after = SqliteVault::open(options_);
    if (!after.ok()) continue;
    EXPECT_EQ(after.value()->create(kOne, {}).error().kind, Kind::Exists);
    auto instance = after.value()->load(kOne);
    if (instance.ok()) {
      EXPECT_EQ(content(*after.value(), kOne), state(instance.value().epoch));
    } else {
      EXPECT_EQ(instance.error().kind, Kind::Quarantined);
      refused++;
      break;
    }
  }
  EXPECT_GT(refused, 0);
}

TEST_F(Faults, AnswersByWhatIsStoredAfterAnErrorAtAnyStep) {
  make_one();
  auto vault = open();
  uint64_t epoch = 1;
  int refused = 0, stored = 0;
  for (uint64_t at = 1; at < 40; at++) {
    disk_.fail_once_at(at);
    // Until the error has come; each answer must be the truth.
    while (!disk_.failed()) {
      Result<> done = commit_state(*vault, epoch + 1);
      uint64_t found = vault->load(kOne).value().epoch;
      ASSERT_EQ(found, epoch + (done.ok() ? 1 : 0)) << "error at step " << at;
      EXPECT_EQ(content(*vault, kOne), state(found));
      if (disk_.failed()) (done.ok() ? stored : refused)++;
      epoch = found;
    }
    disk_.fail_once_at(0);
    ASSERT_TRUE(commit_state(*vault, ++epoch).ok()) << "works on after an error at step " << at;
  }
  EXPECT_GT(refused, 0);
  std::mt19937 random(6);
  vault.reset();
  disk_.lose_power(random);
  EXPECT_EQ(open()->load(kOne).value().epoch, epoch) << "what it had answered after errors was durable";
}

TEST_F(Faults, WhatASyncThatFailedHadWrittenIsNotTakenForDurable) {
  make_one();
  std::mt19937 random(7);
  for (uint64_t at = 1; at < 40; at++) {
    auto vault = open();
    ASSERT_NE(vault, nullptr);
    uint64_t epoch = vault->load(kOne).value().epoch;
    disk_.fail_once_at(at);
    while (!disk_.failed()) {
      if (commit_state(*vault, epoch + 1).ok()) epoch++;
    }
    disk_.die_at(1);
    vault.reset();
    disk_.lose_power(random);
    ASSERT_GE(open()->load(kOne).value().epoch, epoch) << "error at step " << at;
  }
}

TEST_F(Faults, TellsNobodyWhatItDoesNotKnow) {
  make_one();
  auto vault = open();
  disk_.die_at(1);
  std::optional<Result<>> outcome;
  base::Bytes second = seal(key_, kOne, Purpose::Permanent, 2, bytes_of(state(2)));
  vault->commit(kOne, 1, second, [&](Result<> r) { outcome = std::move(r); });
  complete(*vault, 1500);
  EXPECT_FALSE(outcome.has_value()) << "the disk cannot be read: the outcome is open";
  EXPECT_EQ(vault->load(kOne).error().kind, Kind::Broken) << "who asks is not kept waiting";
  disk_.revive();
  while (!outcome) complete(*vault);
  EXPECT_EQ(vault->load(kOne).value().epoch, outcome->ok() ? 2U : 1U);
  EXPECT_TRUE(commit(*vault, kOne, 1, second).ok()) << "the worker offers it again";
}

TEST_F(Faults, AFullDiskRefusesAndHarmsNothing) {
  make_one();
  auto vault = open();
  disk_.set_room(disk_.used());
  uint64_t epoch = 1;
  while (commit_state(*vault, epoch + 1).ok()) epoch++;
  Result<> refused = commit_state(*vault, epoch + 1);
  EXPECT_NE(refused.error().text.find("full"), std::string::npos) << refused.error().text;
  EXPECT_EQ(content(*vault, kOne), state(epoch));
  EXPECT_EQ(vault->list().value().size(), 1U);
  disk_.set_room({});
  ASSERT_TRUE(commit_state(*vault, ++epoch).ok()) << "space has returned";
  vault.reset();
  EXPECT_EQ(content(*open(), kOne), state(epoch));
}

TEST_F(Faults, OnAFullDiskTheSmallAreStoredWithoutTheLarge) {
  make_one();
  make(kTwo, 1);
  auto vault = open();
  ASSERT_TRUE(commit_state(*vault, 2).ok());
  disk_.set_room(disk_.used() + 20'000);
  base::Bytes large = seal(vault->load(kTwo).value().key, kTwo, Purpose::Permanent, 2, base::Bytes(60'000, 'L'));
  base::Bytes small = seal(key_, kOne, Purpose::Permanent, 3, bytes_of("small"));
  std::map<std::string, bool> stored;
  vault->commit(kTwo, 1, large, [&](Result<> r) { stored["large"] = r.ok(); });
  vault->commit(kOne, 2, small, [&](Result<> r) { stored["small"] = r.ok(); });
  while (stored.size() < 2) complete(*vault);
  EXPECT_EQ(stored, (std::map<std::string, bool>{{"large", false}, {"small", true}}));
  EXPECT_EQ(content(*vault, kOne), "small");
  EXPECT_EQ(content(*vault, kTwo), "state");
}

}  // namespace
}  // namespace vault
