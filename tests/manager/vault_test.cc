// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "backend/vault/file.h"

namespace vault {
namespace {

namespace fs = std::filesystem;
using Kind = Refusal::Kind;

constexpr Uuid kOne = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

class FileVaultTest : public ::testing::Test {
 protected:
  FileVaultTest() {
    char name[] = "/tmp/vault-test-XXXXXX";
    base_ = ::mkdtemp(name);
    path_ = base_ + "/state";
  }
  ~FileVaultTest() override { fs::remove_all(base_); }

  std::unique_ptr<FileVault> open() {
    auto vault = FileVault::open(path_);
    EXPECT_TRUE(vault.ok()) << (vault.ok() ? "" : vault.error().text);
    return vault.ok() ? std::move(vault).take() : nullptr;
  }
  Kind refusal_at_open() {
    auto vault = FileVault::open(path_);
    return vault.ok() ? Kind::Unknown : vault.error().kind;
  }
  static base::Bytes sealed(FileVault& vault, uint64_t epoch, const std::string& text) {
    base::Bytes plain(text.begin(), text.end());
    return seal(vault.load(kOne).value().key, kOne, Purpose::Permanent, epoch, plain);
  }
  static Result<> commit(FileVault& vault, uint64_t expected, base::View blob) {
    Result<> outcome = Refusal{Kind::Broken, "not called"};
    vault.commit(kOne, expected, blob, [&](Result<> r) { outcome = std::move(r); });
    return outcome;
  }
  std::string instance_file() const { return path_ + "/instances/" + text_of(kOne) + ".vtpm"; }
  void make_one(int commits) {
    auto vault = open();
    ASSERT_TRUE(vault->create(kOne).ok());
    for (int i = 0; i < commits; i++) {
      uint64_t epoch = static_cast<uint64_t>(i);
      ASSERT_TRUE(commit(*vault, epoch, sealed(*vault, epoch + 1, "state")).ok());
    }
  }
  static void flip(const std::string& file, size_t at) {
    std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
    f.seekg(static_cast<std::streamoff>(at));
    char c = static_cast<char>(f.get() ^ 1);
    f.seekp(static_cast<std::streamoff>(at));
    f.put(c);
  }

  std::string base_, path_;
};

TEST(Uuids, RoundTripAndRefuseEverythingElse) {
  EXPECT_EQ(text_of(kOne), "01020304-0506-0708-090a-0b0c0d0e0f10");
  EXPECT_EQ(uuid_in("01020304-0506-0708-090A-0B0C0D0E0F10"), kOne);
  for (const char* bad : {"", "01020304-0506-0708-090a-0b0c0d0e0f1", "01020304-0506-0708-090a-0b0c0d0e0f100",
                          "0102030400506-0708-090a-0b0c0d0e0f10", "g1020304-0506-0708-090a-0b0c0d0e0f10",
                          "../../../../../../../../../etc/passw"}) {
    EXPECT_FALSE(uuid_in(bad)) << bad;
  }
}

TEST_F(FileVaultTest, KeepsWhatWasCommittedAcrossAReopen) {
  make_one(3);
  auto vault = open();
  auto instance = vault->load(kOne);
  ASSERT_TRUE(instance.ok());
  EXPECT_EQ(instance.value().epoch, 3U);
  EXPECT_TRUE(unseal(instance.value().key, kOne, Purpose::Permanent, 3, instance.value().permanent).has_value());
}

TEST_F(FileVaultTest, KeepsSecretsToRoot) {
  make_one(1);
  for (const std::string& name : {path_ + "/master.key", path_ + "/register", instance_file()}) {
    struct stat about {};
    ASSERT_EQ(::stat(name.c_str(), &about), 0) << name;
    EXPECT_EQ(about.st_mode & 07777, 0600U) << name;
  }
}

TEST_F(FileVaultTest, ComparesBeforeItSwaps) {
  make_one(2);
  auto vault = open();
  EXPECT_EQ(commit(*vault, 1, sealed(*vault, 2, "fork")).error().kind, Kind::Conflict);
  EXPECT_EQ(commit(*vault, 5, sealed(*vault, 6, "leap")).error().kind, Kind::Conflict);
  base::Bytes third = sealed(*vault, 3, "third");
  EXPECT_TRUE(commit(*vault, 2, third).ok());
  EXPECT_TRUE(commit(*vault, 2, third).ok()) << "a repeat of the last commit had succeeded";
  EXPECT_EQ(vault->load(kOne).value().epoch, 3U);
}

TEST_F(FileVaultTest, LeasesOnce) {
  make_one(1);
  auto vault = open();
  {
    auto first = vault->lease(kOne);
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(vault->lease(kOne).error().kind, Kind::Leased);
    EXPECT_EQ(vault->remove(kOne).error().kind, Kind::Leased);
  }
  EXPECT_TRUE(vault->lease(kOne).ok());
}

TEST_F(FileVaultTest, ServesOneManagerOnly) {
  auto vault = open();
  EXPECT_EQ(refusal_at_open(), Kind::Broken);
  vault.reset();
  EXPECT_NE(open(), nullptr);
}

TEST_F(FileVaultTest, QuarantinesEveryFlippedByte) {
  make_one(1);
  size_t size = fs::file_size(instance_file());
  for (size_t at = 0; at < size; at += 7) {
    flip(instance_file(), at);
    auto vault = open();
    auto instance = vault->load(kOne);
    ASSERT_FALSE(instance.ok()) << at;
    EXPECT_EQ(instance.error().kind, Kind::Quarantined);
    EXPECT_EQ(vault->create(kOne).error().kind, Kind::Exists) << "never a silent fresh TPM";
    flip(instance_file(), at);
  }
  EXPECT_TRUE(open()->load(kOne).ok());
}

TEST_F(FileVaultTest, QuarantinesAMissingState) {
  make_one(1);
  fs::remove(instance_file());
  auto vault = open();
  EXPECT_EQ(vault->load(kOne).error().kind, Kind::Quarantined);
  EXPECT_EQ(vault->create(kOne).error().kind, Kind::Exists);
  ASSERT_EQ(vault->list().value().size(), 1U);
  EXPECT_NE(vault->list().value()[0].quarantine, "");
}

TEST_F(FileVaultTest, QuarantinesAStateOlderThanTheLastCleanDetach) {
  make_one(1);
  fs::copy_file(instance_file(), base_ + "/old");
  {
    auto vault = open();
    ASSERT_TRUE(commit(*vault, 1, sealed(*vault, 2, "newer")).ok());
    ASSERT_TRUE(vault->detached(kOne).ok());
  }
  fs::copy_file(base_ + "/old", instance_file(), fs::copy_options::overwrite_existing);
  EXPECT_EQ(open()->load(kOne).error().kind, Kind::Quarantined);
}

TEST_F(FileVaultTest, KeepsAQuarantine) {
  make_one(1);
  EXPECT_TRUE(open()->quarantine(kOne, "the worker crashes").ok());
  auto instance = open()->load(kOne);
  ASSERT_FALSE(instance.ok());
  EXPECT_NE(instance.error().text.find("the worker crashes"), std::string::npos);
  EXPECT_TRUE(fs::exists(instance_file())) << "the old state is kept";
}

TEST_F(FileVaultTest, DoesNotMakeARemovedInstanceAgain) {
  make_one(1);
  fs::copy_file(instance_file(), base_ + "/old");
  EXPECT_TRUE(open()->remove(kOne).ok());
  EXPECT_FALSE(fs::exists(instance_file()));
  fs::copy_file(base_ + "/old", instance_file());
  auto vault = open();
  EXPECT_EQ(vault->load(kOne).error().kind, Kind::Quarantined);
  EXPECT_EQ(vault->create(kOne).error().kind, Kind::Exists);
}

TEST_F(FileVaultTest, RefusesToStartWithoutAPartOfItself) {
  for (const char* part : {"master.key", "register", "instances"}) {
    make_one(1);
    fs::rename(path_ + "/" + part, base_ + "/away");
    EXPECT_EQ(refusal_at_open(), Kind::Broken) << part;
    EXPECT_EQ(refusal_at_open(), Kind::Broken) << part << ", the second time";
    fs::remove_all(path_ + "/" + part);
    fs::rename(base_ + "/away", path_ + "/" + part);
    EXPECT_TRUE(open()->load(kOne).ok()) << part;
    fs::remove_all(path_);
  }
}

TEST_F(FileVaultTest, RefusesADamagedRegister) {
  make_one(1);
  flip(path_ + "/register", 40);
  EXPECT_EQ(refusal_at_open(), Kind::Broken);
}

TEST_F(FileVaultTest, FinishesAFirstStartThatWasInterrupted) {
  open();
  fs::rename(path_ + "/master.key", path_ + "/master.key.first");
  EXPECT_NE(open(), nullptr);
}

TEST_F(FileVaultTest, TakesUpAnInstanceTheRegisterDoesNotKnowYet) {
  open();
  fs::copy_file(path_ + "/register", base_ + "/register");
  make_one(0);
  fs::copy_file(base_ + "/register", path_ + "/register", fs::copy_options::overwrite_existing);
  EXPECT_TRUE(open()->load(kOne).ok());
}

// Commits as fast as it can and tells the epochs that are durable, until it is killed.
[[noreturn]] void commit_until_killed(const std::string& path, int tell) {
  auto vault = std::move(FileVault::open(path)).take();
  for (uint64_t epoch = vault->load(kOne).value().epoch;; epoch++) {
    base::Bytes plain(2000, static_cast<uint8_t>(epoch));
    base::Bytes blob = seal(vault->load(kOne).value().key, kOne, Purpose::Permanent, epoch + 1, plain);
    vault->commit(kOne, epoch, blob, [&](Result<> done) {
      uint64_t durable = epoch + 1;
      if (!done.ok() || ::write(tell, &durable, sizeof(durable)) != sizeof(durable)) ::_exit(1);
    });
  }
}

TEST_F(FileVaultTest, LosesNoAcknowledgedCommitWhenKilled) {
  make_one(1);
  uint64_t last = 1;
  for (int round = 0; round < 8; round++) {
    int tell[2];
    ASSERT_EQ(::pipe2(tell, O_CLOEXEC), 0);
    pid_t child = ::fork();
    if (child == 0) commit_until_killed(path_, tell[1]);
    ::close(tell[1]);
    ::usleep(20'000 + 3'333 * static_cast<unsigned>(round));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    uint64_t durable = 0;
    while (::read(tell[0], &durable, sizeof(durable)) == sizeof(durable)) last = durable;
    ::close(tell[0]);
    auto instance = open()->load(kOne);
    ASSERT_TRUE(instance.ok()) << instance.error().text;
    EXPECT_GE(instance.value().epoch, last);
    EXPECT_LE(instance.value().epoch, last + 1);
    last = instance.value().epoch;
  }
}

}  // namespace
}  // namespace vault
